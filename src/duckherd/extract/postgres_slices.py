"""How a PostgreSQL table is cut: by physical position, so that no part reads another's pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from duckherd.catalog.postgres import PgTable
from duckherd.catalog.postgres_connection import relation
from duckherd.extract.parquet import row_group_rows
from duckherd.extract.postgres_types import quote
from duckherd.extract.slices import even_bounds, slice_count

VECTOR_ROWS = 2048
"""DuckDB takes rows in vectors of this many; only then are their bytes let go."""

_WIDE_SLICE_BYTES = 16 * 1024 * 1024
_ROW_HEADER_BYTES = 28
_GUESSED_VALUE_BYTES = 16
# Types whose size before compression PostgreSQL knows without reading them.
_MEASURED = frozenset({"text", "varchar", "bpchar", "bytea"})
_GUESSED_COMPRESSION = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """Parts of one read.

    Attributes:
        conditions: one for each part, on `ctid`; None for the whole table.
        rows_per_group: rows of a row group that fits in memory.
    """

    conditions: tuple[str | None, ...]
    rows_per_group: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or with its partitions the pages of one number, as measured."""

    number: int
    rows: int
    last: int
    bytes: int


def plan(
    cursor: duckdb.DuckDBPyConnection,
    described: PgTable,
    where: str,
    *,
    slice_bytes: int,
    connections: int,
) -> Plan:
    """The parts of a table, given the WHERE clause of its read (may be empty)."""
    width = _row_bytes(described)
    pages = described.pages
    # TID range scans came with PostgreSQL 14; before, each part would read the whole table.
    if not pages or described.version < 140_000:
        return Plan((None,), row_group_rows(width))
    if described.toast:
        measured = _measure(cursor, described, where)
        widest = max((page.bytes / page.rows for page in measured), default=0)
        if widest * VECTOR_ROWS > 2 * _WIDE_SLICE_BYTES:
            return Plan(tuple(by_bytes(measured, _WIDE_SLICE_BYTES)), row_group_rows(widest))
        width = max(width, widest)
    count = slice_count(pages * described.block_bytes, slice_bytes, connections)
    if count == 1:
        return Plan((None,), row_group_rows(width))
    conditions = tuple(
        between((start, 0), (end, 0) if end else None) for start, end in even_bounds(pages, count)
    )
    return Plan(conditions, row_group_rows(width))


def _row_bytes(described: PgTable) -> float:
    table = described.table
    guessed = float(_GUESSED_VALUE_BYTES * len(table.columns))
    if not table.rows or not table.bytes:
        return guessed
    return max(table.bytes / table.rows - _ROW_HEADER_BYTES, len(table.columns))


def _measure(cursor: duckdb.DuckDBPyConnection, described: PgTable, where: str) -> list[Page]:
    """Bytes of each page's rows, before compression, without reading what is out of line."""
    sizes = ["0"]
    for column in described.wide:
        kind = described.types[column]
        if kind.builtin and kind.name in _MEASURED:
            sizes.append(f"coalesce(octet_length({quote(column)}), 0)")
        else:
            sizes.append(f"coalesce(pg_column_size({quote(column)}), 0) * {_GUESSED_COMPRESSION}")
    name = described.table.name
    sql = (
        "SELECT page, count(*) AS rows, max(line)::int8 AS last, sum(size)::int8 AS bytes FROM ("
        "SELECT (ctid::text::point)[0]::int8 AS page, (ctid::text::point)[1]::int8 AS line, "
        f"({' + '.join(sizes)})::int8 AS size FROM {quote(name.schema)}.{quote(name.name)}{where}"
        ") AS measured GROUP BY page ORDER BY page"
    )
    return [Page(*row) for row in cursor.execute(f"FROM {relation(sql)}").fetchall()]


def by_bytes(pages: Sequence[Page], limit: int) -> list[str | None]:
    """Conditions on `ctid` for parts of at most about `limit` bytes, single rows apart.

    Together they cover every position, also those not measured.
    """
    cuts: list[tuple[int, int]] = []
    filled = 0
    for page in pages:
        if filled and filled + page.bytes > limit:
            cuts.append((page.number, 0))
            filled = 0
        parts = min(page.rows, -(-page.bytes // limit))
        cuts += [(page.number, page.last * part // parts + 1) for part in range(1, parts)]
        filled = page.bytes // max(parts, 1) + (filled if parts <= 1 else 0)
    edges: list[tuple[int, int] | None] = [*cuts, None]
    start = (0, 0)
    conditions: list[str | None] = []
    for edge in edges:
        conditions.append(between(start, edge))
        start = edge or start
    return conditions


def between(start: tuple[int, int], end: tuple[int, int] | None) -> str | None:
    """The rows from one position up to another, exclusive; None for both ends open."""
    parts = []
    if start != (0, 0):
        parts.append(f"ctid >= '({start[0]},{start[1]})'::tid")
    if end is not None:
        parts.append(f"ctid < '({end[0]},{end[1]})'::tid")
    return " AND ".join(parts) or None
