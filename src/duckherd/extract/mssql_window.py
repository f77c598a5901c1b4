"""The slice of a cursor column one run reads, on SQL Server."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from duckherd.catalog.model import Column, Table
from duckherd.catalog.mssql import quote, quote_table
from duckherd.catalog.mssql_connection import Server, rows
from duckherd.duration import parse_duration
from duckherd.errors import ParameterError, SourceError
from duckherd.extract.model import Request, Window
from duckherd.extract.mssql_types import base_type, literal, printed
from duckherd.extract.rules import ColumnRule
from duckherd.extract.window import Bounds, check_cursor

_WHOLE = {"tinyint", "smallint", "int", "bigint", "decimal", "numeric", "money", "smallmoney"}
_UNORDERED = {
    "text", "ntext", "image", "xml", "json", "bit", "geometry", "geography", "sql_variant",
}  # fmt: skip
_MOMENTS = {"datetime", "smalldatetime", "datetime2", "datetimeoffset"}


def cursor_column(table: Table, window: Window, rules: Mapping[str, ColumnRule]) -> Column:
    """The column of a window. Raises ParameterError where it cannot be a cursor."""
    check_cursor(window, table, rules)
    column = next(c for c in table.columns if c.name == window.column)
    if base_type(column) in _UNORDERED:
        raise ParameterError(f"{table.name}: {column.type} cannot be a cursor ({column.name!r})")
    return column


def rowversion_ceiling(connection: Any, server: Server) -> int | None:
    """Highest rowversion below which no transaction is still open; None on Babelfish.

    Rows with a higher one may still commit, so a watermark above it would lose them.
    https://learn.microsoft.com/sql/t-sql/functions/min-active-rowversion-transact-sql
    """
    if server.babelfish:
        return None
    return int(rows(connection, "SELECT CAST(MIN_ACTIVE_ROWVERSION() AS bigint) - 1")[0][0])


def fix(
    connection: Any, request: Request, table: Table, window: Window, ceiling: int | None
) -> Bounds:
    """Fix the window's bounds in the connection's view of the table.

    `ceiling` is what `rowversion_ceiling` found.
    """
    column, where = cursor_column(table, window, request.columns), request.where
    lower = _normal(connection, column, window.lower)
    upper = (
        _maximum(connection, table, column, where, ceiling)
        if window.upper is None
        else _normal(connection, column, window.upper)
    )
    effective = _lookback(connection, column, lower, window.lookback)
    return Bounds(
        condition=condition(column, window, effective, upper),
        lower=effective,
        watermark=_furthest(connection, column, lower, upper),
    )


def condition(column: Column, window: Window, lower: str | None, upper: str | None) -> str | None:
    """The rows between two bounds; None where that is every row."""
    name = quote(column.name)
    if upper is None:
        inside = "1 = 0"
    else:
        above = ">=" if window.lower_inclusive else ">"
        parts = [f"{name} {above} {literal(column, lower)}"] if lower is not None else []
        inside = " AND ".join([*parts, f"{name} <= {literal(column, upper)}"])
    return f"({inside}) OR {name} IS NULL" if window.nulls and column.nullable else inside


def _normal(connection: Any, column: Column, text: str | None) -> str | None:
    """A bound as the database prints it. Raises ParameterError where it cannot read it."""
    if text is None or base_type(column) in {"rowversion", "binary", "varbinary"}:
        return text
    try:
        found = rows(connection, f"SELECT {printed(column, literal(column, text))}")[0][0]
    except SourceError as error:
        raise ParameterError(
            f"{text!r} is not a value of the cursor {column.name!r} ({column.type}): "
            f"{error.message}"
        ) from None
    return str(found)


def _maximum(
    connection: Any, table: Table, column: Column, where: str | None, ceiling: int | None
) -> str | None:
    base, name = base_type(column), quote(column.name)
    matching = f" WHERE ({where}\n)" if where else ""
    source = f"FROM {quote_table(table.name)}{matching}"
    if base == "rowversion":
        found = rows(connection, f"SELECT CAST(MAX({name}) AS bigint) {source}")[0][0]
        known = [number for number in (found, ceiling) if number is not None]
        return None if found is None else f"0x{min(known):016X}"
    expression = (
        f"MAX({name})" if base in {"binary", "varbinary"} else printed(column, f"MAX({name})")
    )
    found = rows(connection, f"SELECT {expression} {source}")[0][0]
    return f"0x{found.hex().upper()}" if isinstance(found, bytes | bytearray) else found


def _lookback(
    connection: Any, column: Column, lower: str | None, lookback: str | None
) -> str | None:
    if lower is None or lookback is None:
        return lower
    base = base_type(column)
    if base in _MOMENTS or base == "date":
        unit, amount = ("second", _seconds(lookback))
        if base == "date":
            unit, amount = "day", -(-amount // 86400)
        moved = f"DATEADD({unit}, -{amount}, {literal(column, lower)})"
        return str(rows(connection, f"SELECT {printed(column, moved)}")[0][0])
    if base == "rowversion":
        return f"0x{max(0, int(lower, 16) - int(_number(lookback))):016X}"
    if base in _WHOLE:
        return str(Decimal(lower) - _number(lookback))
    raise ParameterError(
        f"lookback needs a cursor that is a time or a number; {column.name!r} is {column.type}"
    )


def _seconds(lookback: str) -> int:
    try:
        return round(parse_duration(lookback))
    except ValueError as error:
        raise ParameterError(f"lookback: {error}") from None


def _number(lookback: str) -> Decimal:
    try:
        return Decimal(lookback)
    except InvalidOperation:
        raise ParameterError(
            f"lookback {lookback!r} is not a number, as a numeric cursor needs",
            hint="for example 1000",
        ) from None


def _furthest(connection: Any, column: Column, lower: str | None, upper: str | None) -> str | None:
    """The later of both: a watermark never goes back, even where the newest rows were deleted."""
    if lower is None or upper is None:
        return upper if lower is None else lower
    ahead = f"CASE WHEN {literal(column, upper)} < {literal(column, lower)} THEN 1 ELSE 0 END"
    return lower if rows(connection, f"SELECT {ahead}")[0][0] else upper
