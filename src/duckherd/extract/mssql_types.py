"""Each type of SQL Server -> a T-SQL expression that arrives exact, or as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from duckherd.catalog.model import Column
from duckherd.catalog.mssql import quote
from duckherd.catalog.mssql_connection import Server
from duckherd.errors import ParameterError, SourceError
from duckherd.extract.projection import Carry
from duckherd.extract.rules import ColumnRule

Lob = Literal["varchar", "nvarchar", "varbinary"]

# Text that reads back as the same value: type of the text and CONVERT's style.
# https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql
_STYLES = {
    "date": ("varchar(10)", 23),
    "time": ("varchar(16)", 121),
    "smalldatetime": ("varchar(19)", 120),
    "datetime": ("varchar(23)", 121),
    "datetime2": ("varchar(27)", 121),
    "datetimeoffset": ("varchar(34)", 121),
    "float": ("varchar(40)", 3),
    "real": ("varchar(40)", 3),
}
_MONEY = {"money": "decimal(19,4)", "smallmoney": "decimal(10,4)"}
_WORDS = {"char", "varchar", "nchar", "nvarchar"}
_BINARY = {"binary", "varbinary", "image", "rowversion"}
# Types the driver cannot read or reads as something else, and what carries them.
_CASTS = {
    # Its ticks are thirds of ten milliseconds; the server prints whole milliseconds.
    "datetime": "CAST({c} AS datetime2(3))",
    "text": "CAST({c} AS varchar(max))",
    "ntext": "CAST({c} AS nvarchar(max))",
    "image": "CAST({c} AS varbinary(max))",
    "xml": "CAST({c} AS nvarchar(max))",
    "json": "CAST({c} AS nvarchar(max))",
    "vector": "CAST({c} AS nvarchar(max))",
    "rowversion": "CAST({c} AS binary(8))",
    "hierarchyid": "{c}.ToString()",
    "geometry": "{c}.AsBinaryZM()",
    "geography": "{c}.AsBinaryZM()",
}
_LOBS: Mapping[str, Lob] = {
    "text": "varchar",
    "ntext": "nvarchar",
    "image": "varbinary",
    "xml": "nvarchar",
    "json": "nvarchar",
    "vector": "nvarchar",
    "sql_variant": "nvarchar",
    "geometry": "varbinary",
    "geography": "varbinary",
}
_FIXED = {
    "bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "real": 4, "float": 8,
    "decimal": 16, "numeric": 16, "money": 16, "smallmoney": 16, "date": 4, "time": 8,
    "datetime": 8, "smalldatetime": 8, "datetime2": 8, "datetimeoffset": 8,
    "uniqueidentifier": 36, "rowversion": 8, "hierarchyid": 1784,
}  # fmt: skip


# The driver cuts off what is below a microsecond, so datetime2(7) travels as a number of
# nanoseconds: in the range of 64 bits, from the first whole day that DuckDB can print.
# https://learn.microsoft.com/sql/t-sql/functions/datediff-big-transact-sql
_MOMENT = "CONVERT(datetime2(7), '{}', 121)"
_FIRST, _LAST = _MOMENT.format("1677-09-22"), _MOMENT.format("2262-04-11 23:47:16.8547758")
_NANOSECONDS = f"DATEDIFF_BIG(nanosecond, {_MOMENT.format('1970-01-01')}, {{c}})"


def base_type(column: Column) -> str:
    """`datetime2` of `datetime2(7)`."""
    return column.type.partition("(")[0]


@dataclass(frozen=True, slots=True)
class MssqlExpressions:
    """What SQL Server says of its columns; see `projection.Expressions`."""

    server: Server

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def carry(self, column: Column, marker: str) -> Carry:
        name, base = quote(column.name), base_type(column)
        if in_nanoseconds(column):
            # The condition keeps DATEDIFF_BIG from overflowing; a guard reports such values.
            number = _NANOSECONDS.replace("{c}", name)
            return Carry(f"CASE WHEN {name} BETWEEN {_FIRST} AND {_LAST} THEN {number} END")
        if base == "sql_variant":
            return Carry(_variant(name))
        if base in _CASTS:
            return Carry(_CASTS[base].replace("{c}", name))
        if base in _FIXED or base in _WORDS or base in _BINARY:
            return Carry(name)
        # A CLR type of the user's own: its bytes as the server stores them.
        return Carry(f"CAST({name} AS varbinary(max))")

    def text(self, column: Column) -> str:
        name, base = quote(column.name), base_type(column)
        if base in _STYLES:
            return printed(column, name)
        if base in {"geometry", "geography"}:
            return f"{name}.ToString()"
        if base in _BINARY:
            return self._digits(column, self.carry(column, "").source)
        if base in _WORDS or base in _CASTS or base == "sql_variant":
            return self.carry(column, "").source
        return printed(column, name)

    def microseconds(self, column: Column) -> str | None:
        name = quote(column.name)
        if not _fine(column):
            return None
        return f"DATEADD(nanosecond, -(DATEPART(nanosecond, {name}) % 1000), {name})"

    def _digits(self, column: Column, source: str) -> str:
        if self.server.babelfish:
            raise SourceError(
                f"Babelfish cannot print column {column.name!r} ({column.type}) as digits",
                hint="carry it as it is, or exclude it",
            )
        length = 8000 if column.length is None else 2 + 2 * column.length
        size = str(length) if length < 8000 and base_type(column) != "image" else "max"
        return f"CONVERT(varchar({size}), {source}, 1)"

    def sha256(self, text: str) -> str:
        """32 bytes; they become digits on arrival, since not every server prints bytes."""
        if self.server.babelfish:  # its text is UTF-8 already
            return f"CAST(HASHBYTES('SHA2_256', {text}) AS binary(32))"
        if not self.server.utf8_collations:
            raise SourceError(
                f"mask: sha256 needs SQL Server 2019 or later, this is {self.server.description}: "
                "earlier ones cannot encode text as UTF-8, so the hash would match no other source",
                hint="use mask: redact, last4 or null",
            )
        wide = f"CAST({text} AS nvarchar(max)) COLLATE Latin1_General_100_BIN2_UTF8"
        utf8 = f"CAST({wide} AS varchar(max))"
        return f"CAST(HASHBYTES('SHA2_256', {utf8}) AS binary(32))"

    def last4(self, text: str) -> str:
        # The length of char columns counts without their padding, as LEN does.
        whole = f"RTRIM({text})"
        tail = f"CASE WHEN LEN({whole}) > 4 THEN RIGHT({whole}, 4) ELSE '' END"
        return f"CASE WHEN {text} IS NOT NULL THEN CAST('****' + {tail} AS nvarchar(8)) END"


def _variant(name: str) -> str:
    """A sql_variant as text: what its base type prints, with every digit."""
    styles = {**_STYLES, "binary": ("", 1), "varbinary": ("", 1)}
    cases = " ".join(
        f"WHEN '{base}' THEN CONVERT(nvarchar(max), CAST({name} AS {_bounded(base)}), {style})"
        for base, (_, style) in styles.items()
    )
    # Money prints two of its four digits unless it is a decimal.
    cases += " " + " ".join(
        f"WHEN '{base}' THEN CONVERT(nvarchar(max), CAST(CAST({name} AS {base}) AS {decimal}))"
        for base, decimal in _MONEY.items()
    )
    kind = f"CAST(SQL_VARIANT_PROPERTY({name}, 'BaseType') AS varchar(128))"
    return f"CASE {kind} {cases} ELSE CAST({name} AS nvarchar(max)) END"


def _bounded(base: str) -> str:
    return f"{base}(8000)" if base in _BINARY else base


def printed(column: Column, expression: str) -> str:
    """Text of an expression of the column's type that `literal` reads back exactly."""
    base = base_type(column)
    if base in _STYLES:
        kind, style = _STYLES[base]
        # Babelfish pads numbers to the width of the text.
        return f"LTRIM(RTRIM(CONVERT({kind}, {expression}, {style})))"
    if base in _MONEY:
        return f"CONVERT(varchar(50), CAST({expression} AS {_MONEY[base]}))"
    if base == "uniqueidentifier":
        return f"CONVERT(char(36), {expression})"
    if base in _WORDS:
        return expression
    return f"CONVERT(varchar(50), {expression})"


_HEX = re.compile(r"0x[0-9A-Fa-f]+")


def literal(column: Column, text: str) -> str:
    """A T-SQL expression of the column's own type, so that its index can be used.

    Raises ParameterError where a bound of a binary column is not `0x...`.
    """
    base = base_type(column)
    if base in _BINARY:
        if not _HEX.fullmatch(text):
            raise ParameterError(
                f"{text!r} is not a value of column {column.name!r} ({column.type})",
                hint="write it in hexadecimal, for example 0x00000000000007D1",
            )
        return text
    quoted = "N'" + text.replace("'", "''") + "'"
    style = f", {_STYLES[base][1]}" if base in _STYLES else ""
    return f"CONVERT({column.type}, {quoted}{style})"


def _fine(column: Column) -> bool:
    return base_type(column) in {"time", "datetime2", "datetimeoffset"} and column.scale == 7


def in_nanoseconds(column: Column) -> bool:
    """Whether the column is carried as TIMESTAMP_NS: a moment finer than a microsecond."""
    return base_type(column) == "datetime2" and _fine(column)


def lost_moment(column: Column) -> str | None:
    """A condition of the moments that the lake's type cannot hold; None where it holds all."""
    name = quote(column.name)
    if in_nanoseconds(column):
        return f"{name} < {_FIRST} OR {name} > {_LAST}"
    # The driver would cut off the last digit.
    if base_type(column) == "datetimeoffset" and _fine(column):
        return f"DATEPART(nanosecond, {name}) % 1000 <> 0"
    return None


def fine_hint(column: Column) -> str:
    """The ways out for a moment or time that the lake's type cannot hold."""
    return (
        f"carry it as text: columns: {{{column.name}: {{as: text}}}}, "
        "or without the digits below a microsecond: {as: microseconds}"
    )


def lob_of(column: Column, rule: ColumnRule | None) -> Lob | None:
    """The `(max)` type the column's expression has; None where its size is bounded."""
    if rule is not None and rule.mask is not None:
        return None
    base = base_type(column)
    if rule is not None and rule.as_ == "text" and base in {"geometry", "geography"}:
        return "nvarchar"
    unbounded = column.length is None
    if rule is not None and rule.as_ == "text" and base in {"image", "varbinary"}:
        return "varchar" if unbounded or (column.length or 0) * 2 + 2 >= 8000 else None
    if base in _LOBS:
        return _LOBS[base]
    if base in {"varchar", "nvarchar", "varbinary"}:
        return base if unbounded else None  # type: ignore[return-value]
    known = base in _FIXED or base in _WORDS or base in _BINARY
    return None if known else "varbinary"


def width(column: Column, rule: ColumnRule | None) -> int:
    """Most bytes a value takes in a batch, leaving out what `lob_of` says is unbounded."""
    if rule is not None and (rule.mask is not None or rule.as_ == "text"):
        return 64 if column.length is None else max(64, 4 * column.length)
    base = base_type(column)
    if base in _FIXED:
        return _FIXED[base]
    return (column.length or 0) * (3 if base in _WORDS else 1)
