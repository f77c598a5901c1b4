"""Reading SQLite: the standard library's driver, which sees each value's storage class.

Big tables of plain columns are read by DuckDB's scanner instead, see `sqlite_scan`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from duckherd.catalog import scanner
from duckherd.catalog import sqlite as lite
from duckherd.catalog.model import Column, Table, TableName
from duckherd.catalog.source import Source
from duckherd.catalog.sqlite_connection import session, translate
from duckherd.errors import DuckherdError, ParameterError, SourceBusy, SourceError, TableNotFound
from duckherd.extract import parquet, sqlite_scan
from duckherd.extract.carried import not_carried
from duckherd.extract.model import Extract, Request
from duckherd.extract.projection import Projected, literal, project, select_list
from duckherd.extract.retry import with_retry
from duckherd.extract.sqlite_batches import Batches
from duckherd.extract.sqlite_types import (
    TEXT,
    Shape,
    SqliteExpressions,
    Storage,
    affinity,
    quote,
    shape,
)
from duckherd.extract.sqlite_watch import watch
from duckherd.extract.window import Bounds, bounds, check_cursor


class Sqlite:
    """The dialect of SQLite files."""

    name = "sqlite"

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def check_source(self, source: Source) -> str:
        with session(source) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return f"SQLite {sqlite3.sqlite_version}"

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        return lite.catalog(source, tables)

    def extract(self, request: Request) -> Extract:
        return with_retry(lambda: _extract(request), lambda error: isinstance(error, SourceBusy))

    def disconnect(self, source: Source) -> None:
        """Nothing to do: each read opens and closes the file."""


DIALECT = Sqlite()


@dataclass(frozen=True, slots=True)
class Read:
    """One read, fixed before the first row.

    Attributes:
        source: what follows FROM.
        counted: rows as SQLite counts them, None where nobody asked.
    """

    request: Request
    table: Table
    shapes: Mapping[str, Shape]
    columns: tuple[Projected, ...]
    read_at: str
    ends: Bounds
    source: str
    counted: int | None

    @property
    def query(self) -> str:
        """The SELECT of the read."""
        return f"SELECT {select_list(self.columns, quote)} FROM {self.source}"

    @property
    def path(self) -> Path:
        """Where the rows go."""
        return self.request.spool / "part-0000.parquet"

    def account(self, rows: int, snapshot: str) -> Extract:
        """What was read."""
        return parquet.extract_of(
            scanner.engine(scanner.PLAIN).cursor(),
            self.columns,
            [self.path],
            rows=rows,
            read_at=self.read_at,
            lower=self.ends.lower,
            watermark=self.ends.watermark,
            snapshot=snapshot,
            queries=[self.query],
            source_rows=self.counted,
        )


def _extract(request: Request) -> Extract:
    with watch(request.source) as watched:
        with _reading(request) as (connection, read):
            scan = None if watched is None else _scan(connection, read)
            if scan is None:
                return _exact(connection, read)
        if watched is not None and sqlite_scan.read(scan, watched, read.path):
            return read.account(scan.rows, "no commit while it was read")
    with _reading(request) as (connection, read):
        return _exact(connection, read)


@contextmanager
def _reading(request: Request) -> Iterator[tuple[sqlite3.Connection, Read]]:
    """A read transaction and the read prepared in it, into an empty spool."""
    for left in request.spool.iterdir():
        left.unlink()
    with session(
        request.source, table=request.table, lock_timeout=request.lock_timeout
    ) as connection:
        yield connection, _prepared(connection, request)


def _scan(connection: sqlite3.Connection, read: Read) -> sqlite_scan.Scan | None:
    return sqlite_scan.scan_of(connection, read.request, read.table, read.columns, read.shapes)


def _prepared(connection: sqlite3.Connection, request: Request) -> Read:
    read_at = parquet.now()
    table = _described(connection, request)
    shapes = _shapes(connection, table)
    columns = project(
        table,
        request.columns,
        SqliteExpressions(shapes),
        only=request.key if request.keys_only else None,
    )
    ends = _bounds(connection, request, table, shapes)
    source = _from(request, ends.condition)
    counted = _counted(connection, source) if request.count_rows else None
    return Read(request, table, shapes, columns, read_at, ends, source, counted)


def _exact(connection: sqlite3.Connection, read: Read) -> Extract:
    """Row by row: the only way that sees each value's storage class."""
    request, columns = read.request, read.columns
    arriving = _arriving(columns, read.shapes, request)
    engine = scanner.engine(scanner.PLAIN).cursor()
    batches = Batches(connection.execute(read.query), read.table.name, columns, arriving)
    with closing(batches):
        try:
            rows = parquet.write_batches(engine, columns, batches.reader(), read.path)
        except duckdb.Error as error:
            raise _reason(error, batches, request, columns) from None
    return read.account(rows, "read transaction")


def _described(connection: sqlite3.Connection, request: Request) -> Table:
    found = lite.describe(connection, [request.table])
    if not found:
        raise TableNotFound(
            f"{request.source} has no table or view {request.table}",
            hint="the schema of every SQLite table is called main; see: duckherd sync",
        )
    return found[0]


def _from(request: Request, condition: str | None) -> str:
    every = [f"({part})" for part in (request.where, condition) if part]
    where = f" WHERE {' AND '.join(every)}" if every else ""
    return f"{quote(request.table.name)}{where}"


def _counted(connection: sqlite3.Connection, source: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {source}").fetchone()[0])


def _bounds(
    connection: sqlite3.Connection, request: Request, table: Table, shapes: Mapping[str, Shape]
) -> Bounds:
    window = request.window
    if window is None:
        return Bounds()
    if not (window.column.lower() == "rowid" and table.column(window.column) is None):
        check_cursor(window, table, request.columns)
    column = quote(window.column)

    def newest(condition: str | None) -> str | None:
        sql = f"SELECT max({column}) FROM {_from(request, condition)}"
        found = connection.execute(sql).fetchone()[0]
        return None if found is None else str(found)

    # A column without a declared type has no affinity: it compares numbers with numbers only.
    shape_ = shapes.get(window.column)
    numeric = shape_ is None or shape_.arrow in {"int64", "double"}
    return bounds(window, column, _number if numeric else literal, newest)


def _number(bound: str) -> str:
    try:
        float(bound)
    except ValueError:
        raise ParameterError(f"{bound!r} is not a number, which the cursor is") from None
    return bound


def _shapes(connection: sqlite3.Connection, table: Table) -> Mapping[str, Shape]:
    """What each column arrives as; columns whose type says nothing are asked for in one scan."""
    open_ = [column for column in table.columns if affinity(column.type) is None]
    found = {
        column.name: shape(column.type, stored)
        for column, stored in zip(open_, _stored(connection, table, open_), strict=True)
    }
    return {column.name: affinity(column.type) or found[column.name] for column in table.columns}


def _stored(
    connection: sqlite3.Connection, table: Table, columns: Sequence[Column]
) -> list[frozenset[Storage]]:
    """The storage classes each column holds."""
    if not columns:
        return []
    classes: tuple[Storage, ...] = ("integer", "real", "text", "blob")
    tests = ", ".join(
        f"max(typeof({quote(column.name)}) = '{name}')" for column in columns for name in classes
    )
    flags = connection.execute(f"SELECT {tests} FROM {quote(table.name.name)}").fetchone()
    return [
        frozenset(name for name, has in zip(classes, flags[4 * n : 4 * n + 4], strict=True) if has)
        for n in range(len(columns))
    ]


def _arriving(
    columns: Sequence[Projected], shapes: Mapping[str, Shape], request: Request
) -> list[Shape]:
    """The shapes of the select list: masked and `as: text` columns arrive as text."""
    result = []
    for column in columns:
        rule = request.columns.get(column.column.name)
        texted = column.masked or (rule is not None and rule.as_ == "text")
        result.append(TEXT if texted else shapes[column.column.name])
    return result


def _reason(
    error: duckdb.Error, batches: Batches, request: Request, columns: Sequence[Projected]
) -> DuckherdError:
    """Why the write failed: the reader's own error, a marked value, or the engine's."""
    if isinstance(batches.error, sqlite3.Error):
        return translate(batches.error, request.source, request.table)
    if isinstance(batches.error, DuckherdError):
        return batches.error
    marked = not_carried(str(error), request.table, columns)
    return marked or SourceError(f"{request.table}: {error}")
