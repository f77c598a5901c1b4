"""Each type of Oracle -> an expression that arrives exact, or as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from duckherd.catalog.model import Column
from duckherd.catalog.oracle import quote
from duckherd.errors import ParameterError
from duckherd.extract.projection import Carry

UNBOUNDED_SCALE = 18
"""Digits after the point of a NUMBER without precision: DECIMAL(38,18), as for PostgreSQL."""

_MOST_DIGITS = 38
_FIRST_DAY = "DATE '0001-01-01'"
_WORDS = {"CHAR", "VARCHAR2", "NCHAR", "NVARCHAR2", "CLOB", "NCLOB", "LONG"}
_PLAIN = {*_WORDS, "RAW", "BLOB", "LONG RAW", "BINARY_FLOAT", "BINARY_DOUBLE", "BOOLEAN"}
_TEXTS = {
    "ROWID": "ROWIDTOCHAR({c})",
    "UROWID": "CAST({c} AS VARCHAR2(4000))",
    "XMLTYPE": "XMLSERIALIZE(CONTENT {c} AS CLOB)",
    "JSON": "JSON_SERIALIZE({c} RETURNING CLOB)",
    "VECTOR": "VECTOR_SERIALIZE({c} RETURNING CLOB)",
    "RAW": "RAWTOHEX({c})",
    "DATE": "TO_CHAR({c}, 'SYYYY-MM-DD\" \"HH24:MI:SS')",
}
_DAY = "YYYY-MM-DD HH24:MI:SS"
_NUMBER_TEXT = "TO_CHAR({c}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''. ''')"


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition no value may meet, and the text of one that does."""

    condition: str
    example: str


def base_type(column: Column) -> str:
    """`TIMESTAMP WITH TIME ZONE` of `TIMESTAMP(6) WITH TIME ZONE`, `NUMBER` of `NUMBER(10,2)`."""
    return re.sub(r"\([^)]*\)", "", column.type).strip()


class OracleExpressions:
    """What Oracle says of its columns; see `projection.Expressions`."""

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def carry(self, column: Column, marker: str) -> Carry:
        name, base = quote(column.name), base_type(column)
        if base in _PLAIN:
            return Carry(name)
        # Left to itself, the cast or the driver fails on what the guard is there to name.
        found = guard(column)
        fitting = f"CASE WHEN {found.condition} THEN NULL ELSE {name} END" if found else name
        if base in {"NUMBER", "FLOAT"}:
            precision, scale = decimal_shape(column)
            return Carry(f"CAST({fitting} AS NUMBER({precision},{scale}))")
        if base == "DATE":
            return Carry(f"CAST({fitting} AS TIMESTAMP(6))")
        if base.startswith("TIMESTAMP"):
            moment = f"SYS_EXTRACT_UTC({fitting})" if "TIME ZONE" in base else fitting
            return Carry(f"CAST({moment} AS TIMESTAMP(6))")
        if base == "SDO_GEOMETRY":
            return Carry(f"SDO_UTIL.TO_WKBGEOMETRY({name})")
        return Carry(self.text(column))

    def text(self, column: Column) -> str:
        name, base = quote(column.name), base_type(column)
        if base in _WORDS:
            return name
        if base in {"NUMBER", "FLOAT", "BINARY_FLOAT", "BINARY_DOUBLE"}:
            return _NUMBER_TEXT.replace("{c}", name)
        if base in _TEXTS:
            return _TEXTS[base].replace("{c}", name)
        if base.startswith("TIMESTAMP"):
            zone = " TZH:TZM" if base.endswith("TIME ZONE") else ""
            return f"TO_CHAR({name}, 'SYYYY-MM-DD HH24:MI:SS.FF9{zone}')"
        if base == "SDO_GEOMETRY":
            return f"SDO_UTIL.TO_WKTGEOMETRY({name})"
        return f"TO_CHAR({name})"

    def sha256(self, text: str) -> str:
        # UTF-8 whatever the character set of the database and of the column.
        utf8 = f"UTL_I18N.STRING_TO_RAW({text}, 'AL32UTF8')"
        return f"LOWER(RAWTOHEX(STANDARD_HASH({utf8}, 'SHA256')))"

    def last4(self, text: str) -> str:
        tail = f"CASE WHEN LENGTH({text}) > 4 THEN SUBSTR({text}, -4) END"
        return f"CASE WHEN {text} IS NOT NULL THEN '****' || {tail} END"


def decimal_shape(column: Column) -> tuple[int, int]:
    """Precision and scale of the decimal that carries a NUMBER or FLOAT.

    `NUMBER(*,0)` is a whole number of 38 digits; a negative scale means more whole
    digits, a scale above the precision more decimals.
    """
    if column.precision is None and column.scale is None:
        return _MOST_DIGITS, UNBOUNDED_SCALE
    scale = column.scale or 0
    precision = _MOST_DIGITS if column.precision is None else column.precision
    digits = precision - scale if scale < 0 else max(precision, scale)
    return min(digits, _MOST_DIGITS), max(scale, 0)


def guard(column: Column) -> Guard | None:
    """What the carried type of a column cannot hold; None where it holds every value."""
    name, base = quote(column.name), base_type(column)
    example = OracleExpressions().text(column)
    if base in {"NUMBER", "FLOAT"}:
        precision, scale = decimal_shape(column)
        if (precision, scale) == (column.precision, column.scale):
            return None
        whole = precision - scale
        return Guard(f"ROUND({name}, {scale}) <> {name} OR ABS({name}) >= 1e{whole}", example)
    if base == "DATE":
        return Guard(f"{name} < {_FIRST_DAY}", example)
    if base.startswith("TIMESTAMP"):
        digits = re.search(r"\((\d)\)", column.type)
        finer = int(digits[1]) > 6 if digits else False
        cut = f" OR CAST({name} AS {_six(base)}) <> {name}" if finer else ""
        return Guard(f"{name} < {_FIRST_DAY}{cut}", example)
    return None


def _six(base: str) -> str:
    return base.replace("TIMESTAMP", "TIMESTAMP(6)", 1)


def printed(column: Column, expression: str) -> str:
    """Text of an expression of the column's type that `literal` reads back exactly."""
    base = base_type(column)
    if base == "DATE":
        return f"TO_CHAR({expression}, '{_DAY}')"
    if base == "TIMESTAMP":
        return f"TO_CHAR({expression}, '{_DAY}.FF9')"
    if base.startswith("TIMESTAMP"):
        return f"TO_CHAR({expression}, '{_DAY}.FF9 TZH:TZM')"
    if base in {"NUMBER", "FLOAT"}:
        return _NUMBER_TEXT.replace("{c}", expression)
    if base in {"CHAR", "VARCHAR2", "NCHAR", "NVARCHAR2"}:
        return expression
    raise ParameterError(f"a column of type {column.type} cannot be a cursor ({column.name!r})")


_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def literal(column: Column, text: str) -> str:
    """An expression of the column's own type. Raises ParameterError where `text` is no number."""
    base, quoted = base_type(column), "'" + text.replace("'", "''") + "'"
    if base == "DATE":
        return f"TO_DATE({quoted}, '{_DAY[: 10 if len(text) == 10 else None]}')"
    if base.startswith("TIMESTAMP"):
        day = _DAY[:10] if len(text) == 10 else _DAY
        fraction = ".FF" if "." in text else ""
        zone = " TZH:TZM" if re.search(r"[+-]\d\d:\d\d$", text) else ""
        function = "TO_TIMESTAMP_TZ" if "TIME ZONE" in base else "TO_TIMESTAMP"
        return f"{function}({quoted}, '{day}{fraction}{zone}')"
    if base in {"NUMBER", "FLOAT"}:
        if not _NUMBER.fullmatch(text.strip()):
            raise ParameterError(
                f"{text!r} is not a value of the cursor {column.name!r} ({column.type})"
            )
        return text.strip()
    return quoted
