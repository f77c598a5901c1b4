"""The quick way to read SQLite: DuckDB's scanner, where it is proven to give the same.

The scanner is several times faster than the standard library's driver, but trusts the
file: it takes numbers for dates, cuts offsets, does not look whether text is UTF-8,
rounds integers in a DOUBLE, reads each block of rows in a transaction of its own, and
of a table whose last rowid is a multiple of its block it loses the last row. So it is
given only columns whose storage classes it checks itself or SQLite checked before, its
rows are counted, and the file must not have changed. Where any of this fails, the table
is read again the exact way, which also knows how to say what is wrong.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from duckherd.catalog import scanner
from duckherd.catalog.model import Table
from duckherd.catalog.source import Source
from duckherd.extract import parquet
from duckherd.extract.model import Request
from duckherd.extract.projection import Projected, literal, quoted
from duckherd.extract.sqlite_types import Shape, quote
from duckherd.extract.sqlite_watch import Watch

FEWEST_ROWS = 10_000
"""A smaller table is read the exact way before the scanner has started."""

WIDEST_ROW = 8 * 1024
"""Bytes of text in a row: the scanner takes 2,048 rows at once, however wide they are."""

_PROBES, _PROBED_ROWS = 64, 8
_FIRST_READ = "SELECT 1 FROM sqlite_master LIMIT 1"
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "[ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_REGULAR = {
    "DATE": f"{{c}} GLOB '{_DAY}'",
    "TIMESTAMP": f"{{c}} GLOB '{_DAY}' OR {{c}} GLOB '{_DAY}{_CLOCK}' "
    f"OR ({{c}} GLOB '{_DAY}{_CLOCK}.[0-9]*' AND length({{c}}) <= 26 "
    "AND substr({c}, 21) NOT GLOB '*[^0-9]*')",
}
"""SQLite's test of the forms of a text that DuckDB reads as the exact way does."""
_TYPES = {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR"}


@dataclass(frozen=True, slots=True)
class Scan:
    """A read of the scanner's.

    Attributes:
        types: of the columns as they must arrive, DuckDB's.
        rows: as SQLite counts them.
        width: bytes of a row, about.
    """

    request: Request
    columns: tuple[Projected, ...]
    types: tuple[str, ...]
    rows: int
    width: int


def scan_of(
    connection: sqlite3.Connection,
    request: Request,
    table: Table,
    columns: Sequence[Projected],
    shapes: Mapping[str, Shape],
) -> Scan | None:
    """The scanner's read of a table, None where the exact way is the better or the only one."""
    arriving = [shapes[column.column.name] for column in columns]
    ready = [_scanned(column, shape) for column, shape in zip(columns, arriving, strict=True)]
    fitting = [column for column in ready if column is not None]
    # The scanner finds its blocks by `rowid`, which such a column would hide.
    hidden = any(column.name.lower() == "rowid" for column in table.columns)
    if table.kind != "table" or hidden or len(fitting) < len(ready) or not _whole(request, columns):
        return None
    texts = [c.column.name for c, s in zip(columns, arriving, strict=True) if s.arrow == "string"]
    try:
        rows, width, widest = _measured(connection, table.name.name, texts)
    except sqlite3.OperationalError:
        return None  # A table WITHOUT ROWID, or a virtual one.
    if rows < FEWEST_ROWS or widest > WIDEST_ROW or not _regular(connection, table, shapes):
        return None
    types = tuple(shape.spool or _TYPES[shape.arrow] for shape in arriving)
    return Scan(request, tuple(fitting), types, rows, width + 8 * len(columns))


def _whole(request: Request, columns: Sequence[Projected]) -> bool:
    """Whether the read is of every row, nothing computed by SQLite."""
    window = request.window
    first = window is None or (window.lower is None and window.upper is None and window.nulls)
    plain = all(column.source == quote(column.column.name) for column in columns)
    return first and not request.where and plain


def _scanned(column: Projected, shape: Shape) -> Projected | None:
    """A column the scanner checks or SQLite has checked; None for any other.

    An error of its expression says that the scanner's value might not be exact.
    """
    alias, declared = column.alias, column.column.type.upper()
    if column.column.generated or column.column.hidden or shape.arrow == "binary":
        return None
    if shape.spool is not None:
        return replace(column, spool=alias)
    if shape.arrow == "string":
        return replace(column, spool=f"decode(encode({alias}))")
    if shape.arrow == "double" and not any(part in declared for part in ("REAL", "FLOA", "DOUB")):
        exact = f"isfinite({alias}) AND abs({alias}) >= 9007199254740992"
        return replace(column, spool=f"CASE WHEN {exact} THEN error('wide') ELSE {alias} END")
    return replace(column, spool=alias)


def _measured(
    connection: sqlite3.Connection, table: str, texts: Sequence[str]
) -> tuple[int, int, int]:
    """Rows, and the mean and greatest bytes of text in some of them from all over the table."""
    name = quote(table)
    first, last = connection.execute(f"SELECT min(rowid), max(rowid) FROM {name}").fetchone()
    rows = int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
    if rows < FEWEST_ROWS:
        return rows, 0, 0
    size = " + ".join(f"coalesce(length(CAST({quote(c)} AS BLOB)), 0)" for c in texts) or "0"
    sql = f"SELECT {size} FROM {name} WHERE rowid >= ? LIMIT {_PROBED_ROWS}"
    step = max((last - first) // _PROBES, 1)
    sizes = [
        size
        for start in range(first, last + 1, step)
        for (size,) in connection.execute(sql, (start,))
    ]
    return rows, sum(sizes) // len(sizes), max(sizes)


def _regular(connection: sqlite3.Connection, table: Table, shapes: Mapping[str, Shape]) -> bool:
    """Whether every date and timestamp has a form that DuckDB reads as the exact way does."""
    tests = [
        _REGULAR[shape.spool].replace("{c}", quote(name))
        for name, shape in shapes.items()
        if shape.spool is not None
    ]
    if not tests:
        return True
    every = ", ".join(f"coalesce(min({test}), 1)" for test in tests)
    return all(connection.execute(f"SELECT {every} FROM {quote(table.name.name)}").fetchone())


def read(scan: Scan, watch: Watch, path: Path) -> bool:
    """Write the table to `path`; whether it is what SQLite has, without doubt.

    The scanner's threads read in transactions of their own. One more, held all along,
    keeps a rollback journal's writers from committing, and a WAL from being forgotten.
    """
    request = scan.request
    names = ", ".join(f"{quoted(c.column.name)} AS {c.alias}" for c in scan.columns)
    relation = f"(SELECT {names} FROM {scanner.SOURCE}.main.{quoted(request.table.name)})"
    group = parquet.row_group_rows(scan.width)
    try:
        with scanner.transaction(_attachment(request.source)) as cursor:
            cursor.execute(f"SET memory_limit = '{request.memory_limit}B'")
            cursor.execute(f"FROM sqlite_query('{scanner.SOURCE}', '{_FIRST_READ}')").fetchall()
            described = cursor.execute(f"DESCRIBE FROM {relation}").fetchall()
            if tuple(row[1] for row in described) != scan.types or not watch.unchanged():
                return False
            rows = parquet.write(cursor, scan.columns, relation, path, rows_per_group=group)
            return rows == scan.rows and watch.unchanged()
    except duckdb.Error:
        return False


def _attachment(source: Source) -> scanner.Attachment:
    file = literal(str(Path(source.database).resolve()))
    return scanner.Attachment(
        "sqlite",
        (
            # Kept, the order would have one thread write.
            "SET preserve_insertion_order = false",
            f"ATTACH {file} AS {scanner.SOURCE} (TYPE sqlite, READ_ONLY)",
        ),
    )
