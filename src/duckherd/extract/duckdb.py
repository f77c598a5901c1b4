"""Reading DuckDB files: the engine copies its own table."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb

from duckherd.catalog import duckdb as duck
from duckherd.catalog.model import Column, Table, TableName
from duckherd.catalog.source import Source
from duckherd.errors import SourceBusy, TableNotFound
from duckherd.extract import parquet
from duckherd.extract.carried import guard, not_carried
from duckherd.extract.model import Extract, Request
from duckherd.extract.projection import Carry, literal, project, quoted, select_list
from duckherd.extract.retry import with_retry
from duckherd.extract.window import Bounds, bounds, check_cursor

# What Parquet has no exact counterpart for travels as the text DuckDB prints.
_AS_TEXT = re.compile(r"(INTERVAL|TIME WITH TIME ZONE|TIMETZ|HUGEINT|UHUGEINT|BIT|VARINT|BIGNUM)\b")
_NESTED_AS_TEXT = re.compile(_AS_TEXT.pattern + r"|\bUNION\(")


class DuckdbExpressions:
    """The select list of one table; all expressions are DuckDB's own."""

    def quote(self, identifier: str) -> str:
        return quoted(identifier)

    def text(self, column: Column) -> str:
        return f"CAST({quoted(column.name)} AS VARCHAR)"

    def sha256(self, text: str) -> str:
        return f"sha256({text})"

    def last4(self, text: str) -> str:
        return (
            f"CASE WHEN length({text}) > 4 THEN '****' || right({text}, 4) "
            f"WHEN {text} IS NOT NULL THEN '****' END"
        )

    def carry(self, column: Column, marker: str) -> Carry:
        name, declared = quoted(column.name), column.type.upper()
        if _NESTED_AS_TEXT.search(declared):
            return Carry(self.text(column))
        if declared.startswith("ENUM("):
            return Carry(self.text(column))
        if declared == "DATE" or declared.startswith("TIMESTAMP"):
            text = "CAST({c} AS VARCHAR)"
            return Carry(name, guard("isfinite({c})", "{c}", text, marker))
        return Carry(name)


class Duckdb:
    """The dialect of DuckDB files."""

    name = "duckdb"

    def quote(self, identifier: str) -> str:
        return quoted(identifier)

    def check_source(self, source: Source) -> str:
        with duck.session(source):
            return f"DuckDB {duckdb.__version__}"

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        return duck.catalog(source, tables)

    def extract(self, request: Request) -> Extract:
        return with_retry(lambda: _extract(request), lambda error: isinstance(error, SourceBusy))

    def disconnect(self, source: Source) -> None:
        """Nothing to do: each read opens and closes the file."""


DIALECT = Duckdb()


def _extract(request: Request) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with duck.session(request.source, table=request.table) as connection:
        connection.execute(f"SET memory_limit = '{request.memory_limit}B'")
        read_at = parquet.now()
        found = duck.describe(connection, [request.table])
        if not found:
            raise TableNotFound(
                f"{request.source} has no table or view {request.table}",
                hint="see what there is: duckherd sync",
            )
        columns = project(
            found[0],
            request.columns,
            DuckdbExpressions(),
            only=request.key if request.keys_only else None,
        )
        ends = _bounds(connection, request, found[0])
        source = _from(request, ends.condition)
        sql = f"SELECT {select_list(columns, quoted)} FROM {source}"
        counted = _counted(connection, source) if request.count_rows else None
        path = request.spool / "part-0000.parquet"
        try:
            rows = parquet.write(connection, columns, f"({sql})", path)
        except duckdb.Error as error:
            marked = not_carried(str(error), request.table, columns)
            if marked is not None:
                raise marked from None
            raise
        return parquet.extract_of(
            connection,
            columns,
            [path],
            rows=rows,
            read_at=read_at,
            lower=ends.lower,
            watermark=ends.watermark,
            queries=[sql],
            source_rows=counted,
        )


def _from(request: Request, condition: str | None) -> str:
    name = request.table
    every = [f"({part})" for part in (request.where, condition) if part]
    where = f" WHERE {' AND '.join(every)}" if every else ""
    return f"{duck.SOURCE}.{quoted(name.schema)}.{quoted(name.name)}{where}"


def _counted(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    return int(row[0]) if row else 0


def _bounds(connection: duckdb.DuckDBPyConnection, request: Request, table: Table) -> Bounds:
    window = request.window
    if window is None:
        return Bounds()
    check_cursor(window, table, request.columns)
    column = quoted(window.column)

    def newest(condition: str | None) -> str | None:
        sql = f"SELECT CAST(max({column}) AS VARCHAR) FROM {_from(request, condition)}"
        row = connection.execute(sql).fetchone()
        return None if row is None or row[0] is None else str(row[0])

    return bounds(window, column, literal, newest)
