"""Reading Oracle in thin mode: Arrow batches of `oracledb`, in one read-only transaction.

A READ ONLY transaction sees what was committed when it began, bounds, count and rows
alike, and needs no privilege, unlike a flashback query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import duckdb
import oracledb
import pyarrow as pa

from duckherd.catalog import oracle as catalog
from duckherd.catalog.model import Column, Table, TableName
from duckherd.catalog.oracle import connect, quote, quote_table, raised, rows
from duckherd.catalog.source import Source
from duckherd.errors import SourceError, SourceUnreachable, TableNotFound
from duckherd.extract.arrow_spool import Convert, SpoolWriter, plain, spool_batch, spool_schema
from duckherd.extract.carried import value_not_carried
from duckherd.extract.model import Extract, Request
from duckherd.extract.oracle_types import OracleExpressions, base_type, guard, literal, printed
from duckherd.extract.parquet import extract_of, now
from duckherd.extract.projection import Projected, project, select_list
from duckherd.extract.retry import with_retry
from duckherd.extract.window import Bounds, bounds, check_cursor

_BATCH_BYTES = 8 * 1024 * 1024
_GUARD = "DUCKHERD_GUARD"
_LOB_BYTES = 256 * 1024
_LOBS = {"CLOB", "NCLOB", "BLOB", "LONG", "LONG RAW", "XMLTYPE", "JSON", "VECTOR", "SDO_GEOMETRY"}


class OracleDialect:
    """Oracle Database 12.2 and later."""

    name = "oracle"

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def check_source(self, source: Source) -> str:
        with connect(source) as connection:
            return f"Oracle Database {connection.version}"

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        with connect(source) as connection:
            return catalog.read_catalog(connection, tables)

    def extract(self, request: Request) -> Extract:
        return with_retry(
            lambda: _extract(request), lambda error: isinstance(error, SourceUnreachable)
        )

    def disconnect(self, source: Source) -> None:
        """Nothing to do: each read opens and closes its connections."""


DIALECT = OracleDialect()


@dataclass(frozen=True, slots=True)
class Plan:
    """One read, fixed before the first row; `conditions` are the user's and the window's."""

    table: Table
    columns: tuple[Projected, ...]
    guarded: tuple[int, ...]
    conditions: tuple[str, ...]

    @property
    def query(self) -> str:
        """The SELECT of the read."""
        guards = f", {self._guard()} AS {quote(_GUARD)}" if self.guarded else ""
        return f"SELECT {select_list(self.columns, quote)}{guards} {self._source}"

    @property
    def count(self) -> str:
        """The SELECT that counts the rows of the read."""
        return f"SELECT COUNT(*) {self._source}"

    @property
    def _source(self) -> str:
        where = " AND ".join(f"({condition}\n)" for condition in self.conditions)
        return f"FROM {quote_table(self.table.name)}{f' WHERE {where}' if where else ''}"

    def _guard(self) -> str:
        cases = []
        for index in self.guarded:
            found = guard(self.columns[index].column)
            if found is not None:
                cases.append(f"WHEN {found.condition} THEN '{index} ' || {found.example}")
        return f"CASE {' '.join(cases)} END"

    @property
    def batch_rows(self) -> int:
        """Rows of a batch, by the declared widths of the columns."""
        widths = (_width(column.column) for column in self.columns)
        return max(1, min(65_536, _BATCH_BYTES // max(1, sum(widths))))

    @property
    def converts(self) -> list[Convert | None]:
        """What each column needs on arrival."""
        return [_convert(column) for column in self.columns]


def _width(column: Column) -> int:
    if base_type(column) in _LOBS:
        return _LOB_BYTES
    return 16 if column.length is None else 4 * column.length


def _convert(column: Projected) -> Convert | None:
    base = base_type(column.column)
    plainly = column.source == OracleExpressions().carry(column.column, "").source
    if base.startswith("TIMESTAMP") and "TIME ZONE" in base and plainly:
        return _utc
    return _microseconds if plainly and base in {"DATE", "TIMESTAMP"} else None


def _microseconds(array: pa.Array) -> pa.Array:
    return array.cast(pa.timestamp("us"))


def _utc(array: pa.Array) -> pa.Array:
    """The query gave the moment in UTC without saying so."""
    return _microseconds(array).cast(pa.timestamp("us", "UTC"))


def plan_of(request: Request, table: Table) -> Plan:
    """Columns, guards and the user's condition of a read."""
    columns = project(
        table,
        request.columns,
        OracleExpressions(),
        only=request.key if request.keys_only else None,
    )
    guarded = tuple(
        index
        for index, column in enumerate(columns)
        if guard(column.column) is not None
        and column.source == OracleExpressions().carry(column.column, "").source
    )
    return Plan(table, columns, guarded, (request.where,) if request.where else ())


def _extract(request: Request) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with connect(request.source, statement_timeout=request.statement_timeout) as connection:
        found = catalog.read_catalog(connection, [request.table])
        if not found:
            raise TableNotFound(
                f"{request.source} has no table or view {request.table} that the user may see",
                hint="names are as stored, mostly in upper case; see them with duckherd sync",
            )
        plan = plan_of(request, found[0])
        read_at = now()
        rows(connection, "SET TRANSACTION READ ONLY")
        plan, edges = windowed(connection, request, plan)
        counted = int(rows(connection, plan.count)[0][0]) if request.count_rows else None
        path = request.spool / "part-0000.parquet"
        batches = _batches(connection, plan)
        first = next(batches)
        converts = plan.converts
        schema = spool_schema(first.schema, plan.columns, converts)
        with SpoolWriter(path, schema, request.memory_limit // 4) as writer:
            for batch in chain([first], batches):
                check_guard(plan, batch)
                writer.add(spool_batch(batch, plan.columns, converts))
    with duckdb.connect() as engine:
        return extract_of(
            engine,
            plan.columns,
            [path],
            rows=writer.rows,
            read_at=read_at,
            lower=edges.lower,
            watermark=edges.watermark,
            snapshot="read-only transaction",
            queries=[plan.query],
            source_rows=counted,
        )


def _batches(connection: Any, plan: Plan) -> Iterator[pa.RecordBatch]:
    """At least one batch, for its schema, even where there is no row."""
    try:
        frames = connection.fetch_df_batches(plan.query, size=plan.batch_rows, fetch_decimals=True)
        for frame in frames:
            table = pa.table(frame)
            yield from table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    except oracledb.Error as error:
        raise raised(error) from None


def check_guard(plan: Plan, batch: pa.RecordBatch) -> None:
    """Raises ValueNotCarried where the query found a value without exact counterpart."""
    if not plan.guarded:
        return
    found = plain(batch.column(len(plan.columns))).drop_null()
    if len(found):
        number, _, example = str(found[0].as_py()).partition(" ")
        raise value_not_carried(plan.table.name, plan.columns[int(number)], example.strip())


def windowed(connection: Any, request: Request, plan: Plan) -> tuple[Plan, Bounds]:
    """The plan with its window's condition, and the window's ends."""
    window = request.window
    if window is None:
        return plan, Bounds()
    check_cursor(window, plan.table, request.columns)
    column = plan.table.column(window.column)
    if column is None:
        raise SourceError(f"{plan.table.name} has no column {window.column!r}")
    name = quote(column.name)

    def newest(newer: str | None) -> str | None:
        conditions = [condition for condition in (request.where, newer) if condition]
        where = " AND ".join(f"({condition}\n)" for condition in conditions)
        sql = (
            f"SELECT {printed(column, f'MAX({name})')} FROM {quote_table(plan.table.name)}"
            f"{f' WHERE {where}' if where else ''}"
        )
        found = rows(connection, sql)[0][0]
        return None if found is None else str(found)

    edges = bounds(window, name, lambda text: literal(column, text), newest)
    if edges.condition is None:
        return plan, edges
    return replace(plan, conditions=(*plan.conditions, edges.condition)), edges
