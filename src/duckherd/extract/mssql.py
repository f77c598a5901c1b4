"""Reading SQL Server: Arrow batches of Microsoft's driver, in one consistent view.

A consistent view is a SNAPSHOT transaction where the database allows them; otherwise
single statements at READ COMMITTED, never NOLOCK. See docs/sources/sqlserver.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from duckherd.catalog import mssql as catalog
from duckherd.catalog.model import Table, TableName
from duckherd.catalog.mssql_connection import connect, disconnect, rows, server, session
from duckherd.catalog.mssql_errors import Deadlock, passes_by_itself
from duckherd.catalog.source import Source
from duckherd.errors import SourceBusy, SourceError, TableNotFound
from duckherd.extract.model import Extract, Request
from duckherd.extract.mssql_plan import Plan, measured, plan_of, where
from duckherd.extract.mssql_reader import read_slice
from duckherd.extract.mssql_slices import boundaries, ranges, slice_count, slice_key
from duckherd.extract.mssql_types import base_type
from duckherd.extract.mssql_window import cursor_column, fix, rowversion_ceiling
from duckherd.extract.parquet import extract_of, now
from duckherd.extract.retry import with_retry
from duckherd.extract.slices import Reader, read_side_by_side
from duckherd.extract.window import Bounds

# Seconds to wait for the lock under which parallel readers begin: a waiting table lock
# holds up writers, so it is short, and without it one connection reads the table.
_SHARED_START = 0.2


class MssqlDialect:
    """SQL Server 2016 and later, Azure SQL, Babelfish."""

    name = "mssql"

    def quote(self, identifier: str) -> str:
        return catalog.quote(identifier)

    def check_source(self, source: Source) -> str:
        with connect(source) as connection:
            return server(connection).description

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        with connect(source) as connection:
            return catalog.read_catalog(connection, server(connection), tables)

    def extract(self, request: Request) -> Extract:
        return with_retry(lambda: _extract(request), passes_by_itself)

    def disconnect(self, source: Source) -> None:  # the pool is the process's
        disconnect()


DIALECT = MssqlDialect()


def _extract(request: Request) -> Extract:
    for left in request.spool.iterdir():
        left.unlink()
    with ExitStack() as stack:
        control = stack.enter_context(_connected(request))
        plan = plan_of(request, *_described(control, request))
        ceiling = _ceiling(control, plan)
        readers, how = _readers(stack, control, plan)
        read_at = now()
        plan = measured(readers[0], plan)
        plan, bounds = _windowed(readers[0], plan, ceiling)
        counted = _counted(readers[0], plan) if request.count_rows else None
        slices = _slices(readers[0], plan, len(readers))
        files = [request.spool / f"part-{n:04d}.parquet" for n in range(len(slices))]
        counts = _read(readers, plan, slices, files)
    return _account(plan, files, (sum(counts), counted), read_at, bounds, how, slices)


@contextmanager
def _connected(request: Request) -> Iterator[Any]:
    with connect(request.source, statement_timeout=request.statement_timeout) as connection:
        session(connection, lock_timeout=request.lock_timeout, snapshot=False)
        yield connection


def _described(connection: Any, request: Request) -> tuple[Any, Table]:
    found = server(connection)
    tables = catalog.read_catalog(connection, found, [request.table])
    if not tables:
        raise TableNotFound(
            f"{request.source} has no table or view {request.table} that the login may see",
            hint="see what there is with duckherd sync; to let the login see it: "
            f"GRANT SELECT ON {catalog.quote_table(request.table)} TO [{request.source.user}]",
        )
    return found, tables[0]


def _ceiling(connection: Any, plan: Plan) -> int | None:
    """Asked before the view begins: what commits in between is then in the view."""
    window = plan.request.window
    if window is None or base_type(cursor_column(plan.table, window, plan.rules)) != "rowversion":
        return None
    return rowversion_ceiling(connection, plan.server)


def _readers(stack: ExitStack, control: Any, plan: Plan) -> tuple[list[Any], str]:
    """Connections that see the same table, and how that is so; `control` is one of them or ends."""
    request, wanted = plan.request, _wanted(plan)
    if not plan.server.snapshot:
        if plan.server.read_committed_snapshot:
            return [control], "single statement (read committed snapshot)"
        more = [stack.enter_context(_connected(request)) for _ in range(wanted - 1)]
        return [control, *more], "read committed"
    # Babelfish takes no notice of TABLOCK: writers would come between the readers.
    if wanted > 2 and not plan.server.babelfish:
        shared = _begin_together(stack, control, plan, wanted - 1)
        if shared:
            return shared, f"snapshot isolation, begun together on {len(shared)} connections"
    stack.enter_context(_view(control, plan))
    return [control], "snapshot isolation"


def _wanted(plan: Plan) -> int:
    """Connections worth having: parallel slices are for whole, big, ordered tables."""
    request = plan.request
    whole = request.window is None or request.window.lower is None
    if not whole or request.keys_only:
        return 1
    return min(
        request.max_connections, slice_count(plan.table, request.slice_bytes, plan.row_bytes)
    )


@contextmanager
def _view(connection: Any, plan: Plan) -> Iterator[None]:
    """A SNAPSHOT transaction; it sees what is committed at its first read, made here."""
    session(connection, lock_timeout=plan.request.lock_timeout, snapshot=True)
    rows(connection, "BEGIN TRANSACTION")
    try:
        rows(connection, f"SELECT TOP (1) 1 FROM {catalog.quote_table(plan.table.name)}")
        yield
    finally:
        _end(connection)


def _begin_together(stack: ExitStack, control: Any, plan: Plan, count: int) -> list[Any]:
    """`count` views of one moment: they begin while `control` briefly locks out writers.

    Empty where the lock was not to be had at once.
    """
    session(control, lock_timeout=_SHARED_START, snapshot=False)
    name = catalog.quote_table(plan.table.name)
    rows(control, "BEGIN TRANSACTION")
    try:
        rows(control, f"SELECT TOP (1) 1 FROM {name} WITH (TABLOCK, HOLDLOCK)")
        found = []
        for _ in range(count):
            found.append(stack.enter_context(_connected(plan.request)))
            stack.enter_context(_view(found[-1], plan))
        return found
    except SourceBusy:
        return []
    finally:
        _end(control)


def _end(connection: Any) -> None:
    """End a transaction; one whose connection is lost is over already."""
    with suppress(SourceError):
        rows(connection, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")


def _windowed(connection: Any, plan: Plan, ceiling: int | None) -> tuple[Plan, Bounds]:
    request = plan.request
    if request.window is None:
        return plan, Bounds()
    bounds = fix(connection, request, plan.table, request.window, ceiling)
    if bounds.condition is not None:
        plan = replace(plan, conditions=(*plan.conditions, bounds.condition))
    return plan, bounds


def _counted(connection: Any, plan: Plan) -> int:
    """The server's own count of the rows of all slices."""
    source = f"{catalog.quote_table(plan.table.name)}{where(*plan.conditions)}"
    return int(rows(connection, f"SELECT COUNT_BIG(*) FROM {source}")[0][0])


def _slices(connection: Any, plan: Plan, readers: int) -> tuple[str, ...]:
    """Conditions of the slices; one empty condition where there is one reader."""
    key = slice_key(plan.table)
    if readers == 1 or key is None:
        return ("",)
    count = slice_count(plan.table, plan.request.slice_bytes, plan.row_bytes)
    return ranges(key, boundaries(connection, plan.table, key, count))


def _read(
    readers: Sequence[Any], plan: Plan, slices: Sequence[str], files: Sequence[Path]
) -> list[int]:
    """Rows of each slice; the slices share the readers, and the first error stops all."""
    stop = Event()

    def reading(connection: Any, part: tuple[str, Path]) -> int:
        return with_retry(
            lambda: read_slice(connection, plan, *part, readers=len(readers), stop=stop),
            # A snapshot ends with its transaction: then all slices must be read again.
            lambda error: isinstance(error, Deadlock) and not plan.server.snapshot,
        )

    return read_side_by_side(
        list(zip(slices, files, strict=True)),
        [Reader(partial(reading, connection), stop.set) for connection in readers],
    )


def _account(
    plan: Plan,
    files: Sequence[Path],
    counts: tuple[int, int | None],
    read_at: str,
    bounds: Bounds,
    how: str,
    slices: Sequence[str],
) -> Extract:
    import duckdb

    with duckdb.connect() as engine:
        return extract_of(
            engine,
            plan.columns,
            files,
            rows=counts[0],
            read_at=read_at,
            lower=bounds.lower,
            watermark=bounds.watermark,
            snapshot=how,
            queries=[plan.query(condition) for condition in slices],
            source_rows=counts[1],
        )
