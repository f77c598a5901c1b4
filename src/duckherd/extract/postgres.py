"""Reading PostgreSQL: DuckDB's scanner runs our own query over binary COPY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from duckherd.catalog import postgres as pg
from duckherd.catalog.model import Table, TableName
from duckherd.catalog.postgres_connection import is_transient, relation, session
from duckherd.catalog.source import Source
from duckherd.errors import SourceDenied, TableNotFound
from duckherd.extract import parquet
from duckherd.extract.carried import not_carried
from duckherd.extract.model import Extract, Request
from duckherd.extract.postgres_types import PostgresExpressions, quote
from duckherd.extract.projection import Projected, project, select_list
from duckherd.extract.retry import with_retry


class Postgres:
    """The dialect of PostgreSQL 12 and later."""

    name = "postgresql"

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def check_source(self, source: Source) -> str:
        with session(source) as cursor:
            found = cursor.execute(f"FROM {relation('SELECT version() AS version')}").fetchone()
        return str(found[0]) if found else "PostgreSQL"

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        return with_retry(lambda: pg.catalog(source, tables), is_transient)

    def extract(self, request: Request) -> Extract:
        return with_retry(lambda: _extract(request), is_transient)


DIALECT = Postgres()


@dataclass(frozen=True, slots=True)
class Read:
    """What one read is made of, fixed before the first row."""

    request: Request
    described: pg.PgTable
    columns: tuple[Projected, ...]

    def query(self, *conditions: str) -> str:
        """The SELECT of the rows that meet all conditions."""
        name = self.request.table
        sql = f"SELECT {select_list(self.columns, quote)} FROM {quote(name.schema)}.{quote(name.name)}"
        every = [f"({condition})" for condition in (self.request.where, *conditions) if condition]
        return f"{sql} WHERE {' AND '.join(every)}" if every else sql


def _extract(request: Request) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with session(
        request.source,
        table=request.table,
        statement_timeout=request.statement_timeout,
        lock_timeout=request.lock_timeout,
    ) as cursor:
        read_at = parquet.now()
        read = _prepare(request, cursor)
        path = request.spool / "part-0000.parquet"
        sql = read.query()
        rows = _write(read, cursor, sql, path)
        return parquet.extract_of(
            cursor, read.columns, [path], rows=rows, read_at=read_at, queries=[sql]
        )


def _prepare(request: Request, cursor: duckdb.DuckDBPyConnection) -> Read:
    found = pg.describe(cursor, [request.table])
    if not found:
        raise TableNotFound(
            f"{request.source} has no table or view {request.table}",
            hint="see what there is: duckherd sync",
        )
    described = found[0]
    columns = project(
        described.table,
        request.columns,
        PostgresExpressions(described.types),
        only=request.key if request.keys_only else None,
    )
    _check_permission(request, described, columns)
    return Read(request, described, columns)


def _check_permission(
    request: Request, described: pg.PgTable, columns: Sequence[Projected]
) -> None:
    user = request.source.user or "the user"
    if not described.readable:
        raise SourceDenied(
            f"{request.source}: permission denied for {request.table}",
            hint=f"grant usage on its schema and select on it to {user}",
        )
    denied = [c.column.name for c in columns if c.column.name in described.unreadable]
    if denied:
        raise SourceDenied(
            f"{request.source}: permission denied for {request.table}, columns {', '.join(denied)}",
            hint=f"grant select on them to {user}, or exclude them: columns: {{{denied[0]}: exclude}}",
        )


def _write(read: Read, cursor: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    try:
        return parquet.write(cursor, read.columns, relation(sql), path)
    except duckdb.Error as error:
        marked = not_carried(str(error), read.request.table, read.columns)
        if marked is not None:
            raise marked from None
        raise
