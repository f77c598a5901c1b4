"""Reading PostgreSQL: DuckDB's scanner runs our own query over binary COPY.

The query, not the scanner, decides how each column arrives: left alone, the scanner
reads NaN in a numeric as 0, a numeric without precision as a double, and takes the
blanks of char(n) away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb

from duckherd.catalog import postgres as pg
from duckherd.catalog import scanner
from duckherd.catalog.model import Table, TableName
from duckherd.catalog.postgres_connection import (
    attachment,
    is_transient,
    literal,
    relation,
    session,
    translated,
)
from duckherd.catalog.source import Source
from duckherd.errors import SourceDenied, SourceError, TableNotFound, ValueNotCarried
from duckherd.extract import parquet
from duckherd.extract.carried import marked_column, not_carried
from duckherd.extract.model import Extract, Request
from duckherd.extract.postgres_numbers import (
    DoesNotFit,
    Shape,
    measured_shapes,
    open_numbers,
    published_shapes,
)
from duckherd.extract.postgres_slices import Plan, plan
from duckherd.extract.postgres_types import PostgresExpressions, quote
from duckherd.extract.projection import Projected, project, select_list
from duckherd.extract.retry import with_retry
from duckherd.extract.slices import Reader, read_side_by_side
from duckherd.extract.window import Bounds, bounds, check_cursor

XMIN = "xmin"
_SLICE_ATTEMPTS = 2


class Postgres:
    """The dialect of PostgreSQL 12 and later."""

    name = "postgresql"

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def check_source(self, source: Source) -> str:
        with session(source) as cursor:
            return str(_value(cursor, "SELECT version() AS version"))

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        return with_retry(lambda: pg.catalog(source, tables), is_transient)

    def extract(self, request: Request) -> Extract:
        try:
            return with_retry(lambda: _extract(request), is_transient)
        except DoesNotFit as found:
            if request.continues:
                raise _no_other_type(found.error) from None
        try:
            return with_retry(lambda: _extract(request, measure=True), is_transient)
        except DoesNotFit as found:
            raise found.error from None

    def disconnect(self, source: Source) -> None:
        scanner.disconnect(attachment(source))


DIALECT = Postgres()


@dataclass(frozen=True, slots=True)
class Read:
    """What one read is made of, fixed before the first row.

    Attributes:
        open_numbers: columns whose type does not tell how many digits their values have.
    """

    request: Request
    described: pg.PgTable
    columns: tuple[Projected, ...]
    open_numbers: tuple[str, ...]
    bounds: Bounds

    def where(self, condition: str | None = None) -> str:
        """The WHERE clause of all conditions, empty for none."""
        return _where(self.request.where, self.bounds.condition, condition)

    def query(self, condition: str | None = None) -> str:
        """The SELECT of one slice."""
        return self._select(select_list(self.columns, quote), condition)

    def count(self) -> str:
        """The SELECT that counts the rows of all slices."""
        return self._select("count(*) AS counted", None)

    def _select(self, what: str, condition: str | None) -> str:
        name = self.request.table
        source = f"{quote(name.schema)}.{quote(name.name)}"
        return f"SELECT {what} FROM {source}{self.where(condition)}"


def _where(*conditions: str | None) -> str:
    every = [f"({part})" for part in conditions if part]
    return f" WHERE {' AND '.join(every)}" if every else ""


def _extract(request: Request, *, measure: bool = False) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with ExitStack() as stack:
        first = _open(stack, request, None)
        read_at = parquet.now()
        read = _prepare(request, first, measure=measure)
        counted = int(str(_value(first, read.count()))) if request.count_rows else None
        parts = plan(
            first,
            read.described,
            read.where(),
            slice_bytes=request.slice_bytes,
            connections=request.max_connections,
        )
        if request.window is not None and request.window.lower and len(parts.conditions) > 1:
            parts = _whole_if_narrow(parts)
        connections = min(request.max_connections, len(parts.conditions))
        snapshot = None
        if connections > 1:
            snapshot = str(_value(first, "SELECT pg_export_snapshot() AS snapshot"))
        rows, files = _read_slices(read, parts, first, snapshot, connections)
        return parquet.extract_of(
            first,
            read.columns,
            files,
            rows=rows,
            read_at=read_at,
            lower=read.bounds.lower,
            watermark=read.bounds.watermark,
            snapshot=f"exported snapshot, {connections} connections"
            if snapshot
            else "repeatable read",
            queries=[read.query(condition) for condition in parts.conditions[:1]],
            source_rows=counted,
        )


def _open(stack: ExitStack, request: Request, snapshot: str | None) -> duckdb.DuckDBPyConnection:
    cursor = stack.enter_context(
        session(
            request.source,
            table=request.table,
            snapshot=snapshot,
            statement_timeout=request.statement_timeout,
            lock_timeout=request.lock_timeout,
        )
    )
    cursor.execute(f"SET memory_limit = '{request.memory_limit}B'")
    return cursor


def _value(cursor: duckdb.DuckDBPyConnection, sql: str) -> object:
    """The first value of the only row."""
    row = cursor.execute(f"FROM {relation(sql)}").fetchone()
    return row[0] if row else None


def _prepare(request: Request, cursor: duckdb.DuckDBPyConnection, *, measure: bool) -> Read:
    found = pg.describe(cursor, [request.table])
    if not found:
        raise TableNotFound(
            f"{request.source} has no table or view {request.table}",
            hint="see what there is: duckherd sync",
        )
    described = found[0]
    columns = _project(request, described)
    _check_permission(request, described, columns)
    bounds = _bounds(request, described, cursor)
    numbers = open_numbers(described, columns, request.columns)
    shapes = published_shapes(numbers, request.published)
    if measure and numbers:
        where = _where(request.where, bounds.condition)
        shapes |= measured_shapes(cursor, described, numbers, where)
    if shapes:
        columns = _project(request, described, shapes)
    return Read(request, described, columns, numbers, bounds)


def _project(
    request: Request, described: pg.PgTable, shapes: Mapping[str, Shape] | None = None
) -> tuple[Projected, ...]:
    return project(
        described.table,
        request.columns,
        PostgresExpressions(
            described.types, verify_utf8=described.encoding == "SQL_ASCII", shapes=shapes
        ),
        only=request.key if request.keys_only else None,
    )


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
            hint=f"grant select to {user}, or leave them out: columns: {{{denied[0]}: exclude}}",
        )


def _bounds(request: Request, described: pg.PgTable, cursor: duckdb.DuckDBPyConnection) -> Bounds:
    window = request.window
    if window is None:
        return Bounds()
    name = request.table
    if window.column == XMIN and described.table.column(XMIN) is None:
        column, newest = _xmin(cursor)
        return bounds(window, column, str, newest)
    check_cursor(window, described.table, request.columns)
    column = quote(window.column)

    def newest_of(condition: str | None) -> str | None:
        where = _where(request.where, condition)
        source = f"{quote(name.schema)}.{quote(name.name)}"
        found = _value(cursor, f"SELECT max({column})::text AS newest FROM {source}{where}")
        return None if found is None else str(found)

    return bounds(window, column, literal, newest_of)


def _xmin(
    cursor: duckdb.DuckDBPyConnection,
) -> tuple[str, Callable[[str | None], str | None]]:
    """The transaction that wrote a row as a number that never wraps, and the last finished one.

    A row holds the low 32 bits; the rest is taken from the newest transaction of the
    snapshot, which no visible row can be above. Every transaction up to the snapshot's
    xmin is over, so its rows are all visible: what the next run reads is above it.
    """
    row = cursor.execute(
        "FROM "
        + relation(
            "SELECT txid_snapshot_xmin(s) - 1 AS finished, txid_snapshot_xmax(s) - 1 AS top "
            "FROM (SELECT txid_current_snapshot() AS s) AS now"
        )
    ).fetchone()
    finished, top = row or (0, 0)
    return f"({top} - (({top} - xmin::text::int8) & 4294967295))", lambda _: str(finished)


def _whole_if_narrow(parts: Plan) -> Plan:
    """An increment is found by an index: each part would search it anew. Wide rows stay cut."""
    wide = parts.rows_per_group <= parquet.FEWEST_ROWS
    return parts if wide else Plan((None,), parts.rows_per_group)


def _read_slices(
    read: Read,
    parts: Plan,
    first: duckdb.DuckDBPyConnection,
    snapshot: str | None,
    connections: int,
) -> tuple[int, list[Path]]:
    """Rows and files of all slices; a slice whose connection broke is read again alone."""
    files = [
        read.request.spool / f"part-{number:04}.parquet" for number in range(len(parts.conditions))
    ]
    with ExitStack() as stack:
        readers = []
        for number in range(connections):
            cursor = first if number == 0 else _open(stack, read.request, snapshot)
            readers.append(_reader(read, parts, files, cursor, snapshot))
        counts = read_side_by_side(range(len(files)), readers)
    return sum(counts), files


def _reader(
    read: Read,
    parts: Plan,
    files: Sequence[Path],
    cursor: duckdb.DuckDBPyConnection,
    snapshot: str | None,
) -> Reader[int, int]:
    broken = False

    def once(number: int) -> int:
        nonlocal broken
        try:
            with ExitStack() as stack, translated(read.request.source, read.request.table):
                mine = _open(stack, read.request, snapshot) if broken else cursor
                return _write(read, parts, mine, number, files[number])
        except SourceError:
            # The snapshot lives as long as the session that exported it: others may join again.
            broken = snapshot is not None
            raise

    def one(number: int) -> int:
        attempts = _SLICE_ATTEMPTS if snapshot is not None else 1
        return with_retry(lambda: once(number), is_transient, attempts=attempts)

    return Reader(one, cursor.interrupt)


def _write(
    read: Read, parts: Plan, cursor: duckdb.DuckDBPyConnection, number: int, path: Path
) -> int:
    sql = read.query(parts.conditions[number])
    try:
        return parquet.write(
            cursor, read.columns, relation(sql), path, rows_per_group=parts.rows_per_group
        )
    except duckdb.Error as error:
        marked = not_carried(str(error), read.request.table, read.columns)
        if marked is None:
            raise
        column = marked_column(str(error), read.columns)
        if column is not None and column.column.name in read.open_numbers:
            raise DoesNotFit(marked) from None
        raise marked from None


def _no_other_type(error: ValueNotCarried) -> ValueNotCarried:
    return ValueNotCarried(
        f"{error.message}; the published rows keep the digits they have",
        hint="read the table once with mode: replace, which finds the digits it needs; or "
        f"{error.hint}",
    )
