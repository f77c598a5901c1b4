"""A big table -> ranges of its clustered key that are read side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from duckherd.catalog.model import Column, Table
from duckherd.catalog.mssql import quote, quote_table
from duckherd.catalog.mssql_connection import rows
from duckherd.extract.mssql_types import base_type, literal, printed

_MOST = 1_000
_SAMPLE_ROWS_PER_SLICE = 200
# Types whose text reads back exactly on every server.
_ORDERED = {
    "tinyint", "smallint", "int", "bigint", "decimal", "numeric", "money", "smallmoney",
    "date", "datetime", "smalldatetime", "datetime2", "datetimeoffset", "uniqueidentifier",
    "char", "varchar", "nchar", "nvarchar",
}  # fmt: skip


def slice_count(table: Table, slice_bytes: int, row_bytes: int) -> int:
    """How many slices of about `slice_bytes` the table makes; 1 where it has no order to cut.

    `row_bytes`, the most a row can have, stands in where the server keeps no size.
    """
    size = table.bytes if table.bytes is not None else (table.rows or 0) * row_bytes
    if slice_key(table) is None:
        return 1
    return max(1, min(_MOST, -(-size // slice_bytes)))


def slice_key(table: Table) -> Column | None:
    """The first column of the clustered index; None where it cannot bound a slice."""
    key = table.column(table.clustered[0]) if table.clustered else None
    return key if key is not None and base_type(key) in _ORDERED else None


def boundaries(connection: Any, table: Table, key: Column, count: int) -> tuple[str, ...]:
    """Up to `count - 1` inner bounds as text, ascending in the server's own order.

    They come from a sample of the table's pages: its reading costs a fraction of a scan.
    """
    wanted = count * _SAMPLE_ROWS_PER_SLICE
    percent = min(100.0, max(0.1, 100 * wanted / max(table.rows or wanted, 1)))
    name = quote(key.name)
    sql = (
        f"SELECT {printed(key, f'MIN({name})')} FROM (SELECT {name}, NTILE({count}) OVER "
        f"(ORDER BY {name}) AS slice FROM {quote_table(table.name)} "
        f"TABLESAMPLE ({percent:.3f} PERCENT) WHERE {name} IS NOT NULL) AS sample "
        "GROUP BY slice ORDER BY slice"
    )
    found = [str(row[0]) for row in rows(connection, sql)]
    return tuple(dict.fromkeys(found[1:]))


def ranges(key: Column, bounds: tuple[str, ...]) -> tuple[str, ...]:
    """Conditions that together hold each row exactly once; NULL keys come with the first."""
    name = quote(key.name)
    if not bounds:
        return ("",)
    values = [literal(key, bound) for bound in bounds]
    first = f"{name} < {values[0]}" + (f" OR {name} IS NULL" if key.nullable else "")
    inner = [f"{name} >= {low} AND {name} < {high}" for low, high in pairwise(values)]
    return (first, *inner, f"{name} >= {values[-1]}")
