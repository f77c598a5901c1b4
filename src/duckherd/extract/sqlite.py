"""Reading SQLite: the standard library's driver, which sees each value's storage class.

DuckDB's own scanner is not used: it reads an integer in a date column as seconds, drops
offsets of timestamps, and does not check that text is UTF-8.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import cast

import duckdb

from duckherd.catalog import scanner
from duckherd.catalog import sqlite as lite
from duckherd.catalog.model import Table, TableName
from duckherd.catalog.source import Source
from duckherd.catalog.sqlite_connection import session, translate
from duckherd.errors import DuckherdError, ParameterError, SourceBusy, SourceError, TableNotFound
from duckherd.extract import parquet
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


DIALECT = Sqlite()


def _extract(request: Request) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with session(
        request.source, table=request.table, lock_timeout=request.lock_timeout
    ) as connection:
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
        sql = f"SELECT {select_list(columns, quote)} FROM {source}"
        counted = _counted(connection, source) if request.count_rows else None
        path = request.spool / "part-0000.parquet"
        batches = Batches(
            connection.execute(sql), table.name, columns, _arriving(columns, shapes, request)
        )
        engine = scanner.engine(scanner.PLAIN).cursor()
        try:
            rows = parquet.write_batches(engine, columns, batches.reader(), path)
        except duckdb.Error as error:
            raise _reason(error, batches, request, columns) from None
        return parquet.extract_of(
            engine,
            columns,
            [path],
            rows=rows,
            read_at=read_at,
            lower=ends.lower,
            watermark=ends.watermark,
            queries=[sql],
            source_rows=counted,
        )


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
    stored: dict[str, frozenset[Storage]] = {}
    if open_:
        classes = ("integer", "real", "text", "blob")
        tests = ", ".join(
            f"max(typeof({quote(column.name)}) = '{name}')" for column in open_ for name in classes
        )
        sql = f"SELECT {tests} FROM {quote(table.name.name)}"
        flags = connection.execute(sql).fetchone()
        for index, column in enumerate(open_):
            held = zip(classes, flags[index * 4 : index * 4 + 4], strict=True)
            stored[column.name] = cast(
                "frozenset[Storage]", frozenset(name for name, has in held if has)
            )
    return {
        column.name: affinity(column.type) or shape(column.type, stored[column.name])
        for column in table.columns
    }


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
