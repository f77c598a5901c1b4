"""Reading MySQL and MariaDB: DuckDB's scanner streams the rows of one statement of ours.

One statement is one read view of InnoDB's. The server cannot give several connections
the same view without locking tables, which no guest should ask for: a table is read on
one connection. Wide rows come in portions, see `mysql_portions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from duckherd.catalog import mysql as my
from duckherd.catalog import scanner
from duckherd.catalog.model import Table, TableName
from duckherd.catalog.mysql_connection import (
    Server,
    attachment,
    is_transient,
    limited,
    literal,
    quote,
    relation,
    session,
)
from duckherd.catalog.source import Source
from duckherd.errors import TableNotFound
from duckherd.extract import parquet
from duckherd.extract.carried import not_carried
from duckherd.extract.model import Extract, Request
from duckherd.extract.mysql_portions import is_wide, portion_key, read_portions
from duckherd.extract.mysql_types import MysqlExpressions
from duckherd.extract.projection import Projected, project, select_list
from duckherd.extract.retry import with_retry
from duckherd.extract.window import Bounds, bounds, check_cursor


class Mysql:
    """The dialect of MySQL 5.7 and later and MariaDB 10.4 and later."""

    name = "mysql"

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def check_source(self, source: Source) -> str:
        with session(source) as cursor:
            version = my.server(cursor).version
        return version if "MariaDB" in version else f"MySQL {version}"

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        return with_retry(lambda: my.catalog(source, tables), is_transient)

    def extract(self, request: Request) -> Extract:
        return with_retry(lambda: _extract(request), is_transient)

    def disconnect(self, source: Source) -> None:
        scanner.disconnect(attachment(source))


# Without its wheel this raises ModuleNotFoundError: dialect_for then names the extra to install.
scanner.extension_file("mysql")

DIALECT = Mysql()


@dataclass(frozen=True, slots=True)
class Read:
    """What one read is made of."""

    request: Request
    server: Server
    table: Table
    columns: tuple[Projected, ...] = ()

    def query(self, select: str, *conditions: str | None) -> str:
        """A SELECT on the table under the request's limits."""
        name = self.table.name
        every = [f"({part})" for part in (self.request.where, *conditions) if part]
        where = f" WHERE {' AND '.join(every)}" if every else ""
        sql = f"SELECT {select} FROM {quote(name.schema)}.{quote(name.name)}{where}"
        request = self.request
        return limited(sql, self.server, request.statement_timeout, request.lock_timeout)


def _extract(request: Request) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with session(request.source, table=request.table) as cursor:
        cursor.execute(f"SET memory_limit = '{request.memory_limit}B'")
        read_at = parquet.now()
        table = _described(cursor, request)
        columns = project(
            table,
            request.columns,
            MysqlExpressions(),
            only=request.key if request.keys_only else None,
        )
        read = Read(request, my.server(cursor), table, columns)
        ends = _bounds(cursor, read)
        counted = _counted(cursor, read, ends.condition) if request.count_rows else None
        path = request.spool / "part-0000.parquet"
        try:
            rows, how = _written(cursor, read, ends.condition, path)
        except duckdb.Error as error:
            marked = not_carried(str(error), request.table, columns)
            if marked is not None:
                raise marked from None
            raise
        return parquet.extract_of(
            cursor,
            columns,
            [path],
            rows=rows,
            read_at=read_at,
            lower=ends.lower,
            watermark=ends.watermark,
            snapshot=how,
            queries=[read.query(select_list(columns, quote), ends.condition)],
            source_rows=counted,
        )


def _written(
    cursor: duckdb.DuckDBPyConnection, read: Read, condition: str | None, path: Path
) -> tuple[int, str]:
    """Rows written, and how they were kept of one view."""
    if is_wide(read.table):
        found = _portions(read, condition, path)
        if found is not None:
            return found
    try:
        return _statement(cursor, read, condition, path), "single statement"
    except duckdb.OutOfMemoryException:
        # Rows much wider than the mean lie side by side.
        path.unlink(missing_ok=True)
        found = _portions(read, condition, path)
        if found is None:
            raise
        return found


def _portions(read: Read, condition: str | None, path: Path) -> tuple[int, str] | None:
    key = portion_key(read.table)
    rows = None if key is None else read_portions(read, key, condition, path)
    return None if rows is None else (rows, "consistent snapshot, in portions")


def _statement(
    cursor: duckdb.DuckDBPyConnection, read: Read, condition: str | None, path: Path
) -> int:
    columns, table = read.columns, read.table
    width = (table.bytes or 0) / max(table.rows or 1, 1)
    return parquet.write(
        cursor,
        columns,
        relation(read.query(select_list(columns, quote), condition)),
        path,
        rows_per_group=parquet.row_group_rows(max(width, 16 * len(columns))),
    )


def _described(cursor: duckdb.DuckDBPyConnection, request: Request) -> Table:
    found = my.describe(cursor, request.source, [request.table])
    if found:
        return found[0]
    # Hidden for lack of any permission, or not there: the server's own error tells which.
    name = request.table
    sql = f"SELECT 1 AS one FROM {quote(name.schema)}.{quote(name.name)} LIMIT 0"
    cursor.execute(f"FROM {relation(sql)}").fetchall()
    raise TableNotFound(
        f"{request.source} has no table or view {name}", hint="see what there is: duckherd sync"
    )


def _counted(cursor: duckdb.DuckDBPyConnection, read: Read, condition: str | None) -> int:
    """The server's own count; a statement of its own, so its view is an earlier one."""
    sql = read.query("COUNT(*) AS counted", condition)
    row = cursor.execute(f"FROM {relation(sql)}").fetchone()
    return int(row[0]) if row else 0


def _bounds(cursor: duckdb.DuckDBPyConnection, read: Read) -> Bounds:
    window = read.request.window
    if window is None:
        return Bounds()
    check_cursor(window, read.table, read.request.columns)
    column = quote(window.column)

    def newest(condition: str | None) -> str | None:
        sql = read.query(f"CAST(MAX({column}) AS CHAR) AS newest", condition)
        row = cursor.execute(f"FROM {relation(sql)}").fetchone()
        return None if row is None or row[0] is None else str(row[0])

    return bounds(window, column, literal, newest)
