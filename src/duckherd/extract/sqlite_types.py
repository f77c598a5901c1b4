"""SQLite's types: a declared type is a hint, the values decide. See docs/types/sqlite.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from duckherd.catalog.model import Column
from duckherd.extract.carried import guard
from duckherd.extract.projection import Carry

Storage = Literal["integer", "real", "text", "blob"]
"""SQLite's storage classes besides NULL."""

_DATE = r"\d{4}-\d\d-\d\d"
_TIMESTAMP = rf"{_DATE}([ T]\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?)?"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a column's values arrive as.

    Attributes:
        arrow: Arrow type of the batches: `int64`, `double`, `string` or `binary`.
        storage: storage classes its values may have; an integer in a `double` column
            must have an exact counterpart.
        spool: DuckDB's type the text is read as, None for as it is.
    """

    arrow: Literal["int64", "double", "string", "binary"]
    storage: tuple[Storage, ...]
    spool: Literal["DATE", "TIMESTAMP"] | None = None


INTEGER = Shape("int64", ("integer",))
REAL = Shape("double", ("real", "integer"))
TEXT = Shape("string", ("text",))
BLOB = Shape("binary", ("blob",))
DATE = Shape("string", ("text",), "DATE")
TIMESTAMP = Shape("string", ("text",), "TIMESTAMP")


def affinity(declared: str) -> Shape | None:
    """The shape a declared type asks for, None where only the values can tell.

    The rules and their order are SQLite's own (https://www.sqlite.org/datatype3.html, 3.1),
    dates and times apart, which are NUMERIC to it.
    """
    name = declared.upper()
    if "INT" in name or "BOOL" in name:
        return INTEGER
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return TEXT
    if "BLOB" in name:
        return BLOB
    if any(part in name for part in ("REAL", "FLOA", "DOUB", "DEC", "NUM")):
        return REAL
    return None


def shape(declared: str, stored: frozenset[Storage]) -> Shape:
    """The shape of a column whose declared type leaves it open, by what it stores.

    A date or time column may hold text, or numbers of an epoch nobody declared: those
    stay numbers.
    """
    name = declared.upper().partition("(")[0].strip()
    if stored and stored <= {"integer"}:
        return INTEGER
    if stored and stored <= {"integer", "real"}:
        return REAL
    if stored and stored <= {"blob"}:
        return BLOB
    if name == "DATE":
        return DATE
    if name in {"DATETIME", "TIMESTAMP"}:
        return TIMESTAMP
    return TEXT


class SqliteExpressions:
    """The select list of one table, by the shapes of its columns."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def carry(self, column: Column, marker: str) -> Carry:
        wanted = self._shapes[column.name].spool
        if wanted is None:
            return Carry(quote(column.name))
        pattern = _DATE if wanted == "DATE" else _TIMESTAMP
        valid = f"regexp_full_match({{c}}, '{pattern}') AND TRY_CAST({{c}} AS {wanted}) IS NOT NULL"
        return Carry(quote(column.name), guard(valid, f"CAST({{c}} AS {wanted})", "{c}", marker))

    def text(self, column: Column) -> str:
        name = quote(column.name)
        return (
            f"CASE typeof({name}) WHEN 'real' THEN duckherd_real({name}) "
            f"WHEN 'blob' THEN hex({name}) ELSE CAST({name} AS TEXT) END"
        )

    def sha256(self, text: str) -> str:
        return f"duckherd_sha256({text})"

    def last4(self, text: str) -> str:
        return (
            f"CASE WHEN length({text}) > 4 THEN '****' || substr({text}, -4) "
            f"WHEN {text} IS NOT NULL THEN '****' END"
        )


def quote(identifier: str) -> str:
    """An identifier quoted for SQLite."""
    return '"' + identifier.replace('"', '""') + '"'
