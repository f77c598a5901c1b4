"""MySQL's types: how each travels exact. The reader's table is docs/types/mysql.md."""

from __future__ import annotations

import re

from duckherd.catalog.model import Column
from duckherd.catalog.mysql_connection import quote
from duckherd.extract.carried import guard
from duckherd.extract.projection import Carry

# Parquet has unsigned integers, Delta and Spark have not: each goes to the next wider signed type.
_UNSIGNED = {
    "tinyint": "SMALLINT",
    "smallint": "INTEGER",
    "mediumint": "INTEGER",
    "int": "BIGINT",
    "bigint": "DECIMAL(20,0)",
}
_SIGNED = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "mediumint": "INTEGER",
    "int": "INTEGER",
    "bigint": "BIGINT",
}
_TEXTS = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"}
)
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_GEOMETRIES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
_PLAIN = {"float": "FLOAT", "double": "DOUBLE"}


def base(declared: str) -> str:
    """The type's name without length and attributes: `int(10) unsigned` -> `int`."""
    match = re.match(r"[a-z0-9]+", declared.lower())
    return match[0] if match else declared


class MysqlExpressions:
    """The select list of one table, by the declared types of its columns."""

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def text(self, column: Column) -> str:
        name, kind = quote(column.name), base(column.type)
        if kind in _TEXTS:
            # Without it the scanner takes text of a binary collation, JSON too, for bytes.
            return f"CONVERT({name} USING utf8mb4)"
        if kind in _BYTES:
            return f"LOWER(HEX({name}))"
        if kind == "bit":
            return f"BIN({name})"
        if kind in _GEOMETRIES:
            return f"ST_AsText({name})"
        return f"CAST({name} AS CHAR)"

    def sha256(self, text: str) -> str:
        return f"SHA2({text}, 256)"

    def last4(self, text: str) -> str:
        return (
            f"CASE WHEN CHAR_LENGTH({text}) > 4 THEN CONCAT('****', RIGHT({text}, 4)) "
            f"WHEN {text} IS NOT NULL THEN '****' END"
        )

    def carry(self, column: Column, marker: str) -> Carry:
        name, kind = quote(column.name), base(column.type)
        if kind == "decimal":
            return _decimal(name, column, marker)
        return (
            _number(name, kind, column.type.lower())
            or _bytes(name, kind)
            or _moment(name, kind, marker)
            or Carry(self.text(column))
        )


def _number(name: str, kind: str, declared: str) -> Carry | None:
    """Numbers; the cast settles what arrives wider than declared, as from a view."""
    if kind in _SIGNED:
        wanted = (_UNSIGNED if "unsigned" in declared else _SIGNED)[kind]
        return Carry(name, f"CAST({{c}} AS {wanted})")
    if kind in _PLAIN:
        return Carry(name, f"CAST({{c}} AS {_PLAIN[kind]})")
    if kind == "year":
        return Carry(f"CAST({name} AS SIGNED)", "CAST({c} AS SMALLINT)")
    if kind == "bit":
        target = "DECIMAL(20,0)" if declared == "bit(64)" else "BIGINT"
        return Carry(f"CAST({name} AS UNSIGNED)", f"CAST({{c}} AS {target})")
    return None


def _bytes(name: str, kind: str) -> Carry | None:
    if kind in _BYTES:
        return Carry(name, "CAST({c} AS BLOB)")
    if kind in _GEOMETRIES:
        # The server's own form: four bytes of SRID, little endian, then well-known binary.
        return Carry(f"HEX({name})", "unhex({c})")
    return None


def _decimal(name: str, column: Column, marker: str) -> Carry:
    """As text: the scanner takes decimal(10,0) for one of nine digits, and above 38 a double."""
    target = f"DECIMAL({min(column.precision or 10, 38)},{column.scale or 0})"
    return Carry(f"CAST({name} AS CHAR)", _tried(f"TRY_CAST({{c}} AS {target})", marker))


def _tried(value: str, marker: str) -> str:
    """`value`, tried once; what is NULL where the text is not cannot be carried."""
    refused = f"CASE WHEN {{c}} IS NOT NULL THEN error('{marker}' || {{c}}) END"
    return f"coalesce({value}, {refused})"


def _moment(name: str, kind: str, marker: str) -> Carry | None:
    """Dates and times travel as text: the scanner reads a zero date as NULL.

    A date of month, day or year zero and a time beyond a day have no counterpart.
    """
    text = f"CAST({name} AS CHAR)"
    if kind == "time":
        valid = "regexp_full_match({c}, '[0-2]\\d:\\d\\d:\\d\\d(\\.\\d+)?') AND {c} < '24'"
        return Carry(text, guard(valid, "CAST({c} AS TIME)", "{c}", marker))
    types = {
        "date": ("DATE", "{c}"),
        "datetime": ("TIMESTAMP", "{c}"),
        "timestamp": ("TIMESTAMPTZ", "({c} || '+00')"),
    }
    if kind not in types:
        return None
    target, value = types[kind]
    # The year 0 has a counterpart, 1 BC, that nobody meant.
    valid = f"CASE WHEN {{c}} >= '0001' THEN TRY_CAST({value} AS {target}) END"
    return Carry(text, _tried(valid, marker))
