"""The flow of every table: extract -> check -> publish.

    source database --extract--> spool --check--> verdicts --publish--> lake

Each step is a Prefect task, so that Prefect's UI tells which one took how long and
failed why. Secrets are resolved inside the step that needs them and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import Task, flow, get_client, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current_flow_run
from prefect.states import Failed
from prefect.utilities.annotations import quote

from duckherd import source_limit
from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.source import Source
from duckherd.checks import drift, run_checks
from duckherd.checks.compile import needs_source_count
from duckherd.checks.engine import Resources
from duckherd.checks.events import check_failed_event
from duckherd.checks.markdown import verdicts_markdown
from duckherd.checks.model import Context, Verdict
from duckherd.errors import ChecksFailed, DuckherdError, SchemaChanged
from duckherd.extract.model import Extract, Request, Window
from duckherd.lake import Lake, open_lake, publish
from duckherd.lake.model import Publication, Published, TableState
from duckherd.parameters import (
    FLOW_DESCRIPTION,
    FLOW_NAME,
    Backfill,
    Bound,
    Checks,
    ColumnRules,
    Deletes,
    Format,
    IngestParameters,
    Mode,
    Names,
    OnSchemaChange,
    SourceLimits,
    TableText,
)
from duckherd.run_record import RunRecord, artifact_key, labels, summary_markdown
from duckherd.secrets import guard, resolve_url
from duckherd.sla.objective import Objective, parse_duration
from duckherd.spool import Spool, open_spool

T = TypeVar("T")

_TRANSIENT_DELAYS = [2, 10, 30]
"""Seconds before a step is tried again after an error that may pass by itself."""


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, DuckherdError) and error.transient


_STEP: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": len(_TRANSIENT_DELAYS),
    "retry_delay_seconds": _TRANSIENT_DELAYS,
    "retry_condition_fn": _may_pass,
}


@flow(name=FLOW_NAME, description=FLOW_DESCRIPTION, persist_result=False)
def ingest_table(
    table: TableText,
    source: str,
    lake: str,
    mode: Mode = "replace",
    format: Format = "parquet",  # noqa: A002  # the parameter's name in prefect.yaml
    key: Names | None = None,
    cursor: str | None = None,
    lookback: Bound | None = None,
    deletes: Deletes = "ignore",
    backfill: Backfill | None = None,
    columns: ColumnRules = {},  # noqa: B006  # never changed; Prefect shows defaults of the signature
    where: str | None = None,
    checks: Checks = [],  # noqa: B006  # as above
    on_schema_change: OnSchemaChange = "evolve",
    objective: Objective | None = None,
    limits: SourceLimits = SourceLimits(),  # noqa: B008  # frozen
) -> State[Any] | dict[str, Any]:
    """Extract one table, check it, publish it.

    Args:
        table: schema.name in the source.
        source: Database URL; secrets only as ${provider:name}.
        lake: Where to publish: a folder, s3://, gs:// or az:// URL.
        mode: replace the whole table, append new slices, or merge changed rows by key.
        format: parquet, or delta (a Delta Lake table, needed by merge).
        key: Columns that identify a row, named as in the source.
        cursor: Column that grows with every change; only newer rows are read.
        lookback: Re-read this far below the watermark for late rows, e.g. 1h or 1000.
        deletes: compare_keys removes rows whose key is gone from the source.
        backfill: Range of the cursor to read again.
        columns: Rules by source column: as, mask, rename, include, exclude.
        where: SQL condition in the source's own dialect.
        checks: What must hold before anything is published.
        on_schema_change: evolve publishes and says so, fail stops, ignore keeps silent.
        objective: What the table promises: deadline, freshness, target.
        limits: How gently the source is read.
    """
    parameters = IngestParameters.model_validate(dict(locals()))
    run_id = str(current_flow_run.id)
    record = RunRecord(table=parameters.table, lake=parameters.lake.partition("?")[0])
    with open_spool(run_id) as spool, _telling(record, run_id):
        try:
            _ingest(parameters, run_id, spool, record)
        except ChecksFailed as error:
            return Failed(message=error.message, name="ChecksFailed", data=error)
        finally:
            # Only a publish that failed may go on with what was read: judged or half-read data
            # must be read again.
            if record.error is None or record.step != "publish":
                spool.discard()
    return labels(record)


def _ingest(parameters: IngestParameters, run_id: str, spool: Spool, record: RunRecord) -> None:
    given = _whole(parameters)
    with _step(record, "extract"):
        record.extract, before = extract(given, _whole(spool))
    with _step(record, "check"):
        record.schema_change = drift_lines(parameters, before, record.extract)
        record.verdicts = check(given, _whole(before), _whole(record.extract), _whole(spool))
        _stop_if_blocked(record)
    with _step(record, "publish"):
        publication = _publication(parameters, run_id, record, spool, before)
        record.published = publish_table(given, _whole(publication))


def _whole(value: T) -> T:
    """An argument of a task that Prefect need not search for futures, field by field."""
    return cast("T", quote(value))


@contextmanager
def _step(record: RunRecord, name: str) -> Iterator[None]:
    record.step = name
    started = time.perf_counter()
    try:
        yield
    except BaseException as error:
        record.error = type(error).__name__
        raise
    finally:
        record.seconds[name] = time.perf_counter() - started


@task(**_STEP)
def extract(parameters: IngestParameters, spool: Spool) -> tuple[Extract, TableState]:
    """Read one consistent view of the table into the spool."""
    with guard():
        done = spool.finished()
        if done is not None:
            return done
        before, _ = _open(parameters).read_state(parameters.table_name)
        source = Source.parse(resolve_url(parameters.source))
        request = _request(parameters, source, spool.empty(spool.data), before)
        dialect = dialect_for(source)
        with _source_slots(parameters, source, request.max_connections):
            found = dialect.extract(request)
            if parameters.deletes == "compare_keys":
                keys = replace(
                    request,
                    spool=spool.empty(spool.keys),
                    window=None,
                    keys_only=True,
                    count_rows=False,
                )
                dialect.extract(keys)
        spool.finish(found, before)
        return found, before


@task(**_STEP)
def check(
    parameters: IngestParameters, before: TableState, extract: Extract, spool: Spool
) -> tuple[Verdict, ...]:
    """Judge every check of the table in one scan of the spool."""
    with guard():
        context = Context(
            table=parameters.table,
            now=extract.read_at,
            history=before.history,
            source_rows=extract.source_rows,
            slice=parameters.cursor is not None and parameters.mode != "replace",
            masked=frozenset(column.name for column in extract.columns if column.masked),
            lake=resolve_url(parameters.lake),
            key=_lake_key(parameters, extract),
        )
        # What the scan cannot hold in memory goes where the data is, not to the temp folder.
        resources = Resources(temp=spool.folder)
        return run_checks(extract.files, extract.columns, parameters.checks, context, resources)


@task(name="publish", **_STEP)
def publish_table(parameters: IngestParameters, publication: Publication) -> Published:
    """Make the new version visible in one atomic step, together with the table's state."""
    with guard():
        return publish(_open(parameters), publication, _is_over)


STEP_KEYS = frozenset(step.task_key for step in (extract, check, publish_table))
"""By which a task run is known to be a step of ours."""


def _open(parameters: IngestParameters) -> Lake:
    return open_lake(resolve_url(parameters.lake))


def _request(
    parameters: IngestParameters, source: Source, spool: Path, before: TableState
) -> Request:
    limits = parameters.limits
    return Request(
        source=source,
        table=parameters.table_name,
        spool=spool,
        columns=MappingProxyType(parameters.columns),
        where=parameters.where,
        window=_window(parameters, before),
        key=tuple(parameters.key or ()),
        max_connections=min(limits.connections_per_table, limits.max_connections),
        slice_bytes=limits.slice_bytes,
        statement_timeout=_seconds(limits.statement_timeout),
        lock_timeout=_seconds(limits.lock_timeout),
        published=MappingProxyType({column.source_name: column.type for column in before.columns}),
        continues=before.continues(parameters.mode, parameters.format),
        count_rows=needs_source_count(parameters.checks),
    )


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else parse_duration(duration)


def _window(parameters: IngestParameters, before: TableState) -> Window | None:
    if parameters.cursor is None:
        return None
    if parameters.backfill is not None:
        return Window(
            column=parameters.cursor,
            lower=parameters.backfill.from_,
            upper=parameters.backfill.to,
            lower_inclusive=True,
            # Rows without a cursor value belong to the slice that has no beginning.
            nulls=parameters.backfill.from_ is None,
        )
    goes_on = before.continues(parameters.mode, parameters.format)
    watermark = before.watermark if goes_on else None
    first = watermark is None
    return Window(
        column=parameters.cursor,
        lower=watermark,
        lookback=None if first else parameters.lookback,
        # Rows without a cursor value can never be recognised as new: they come with the first load
        # and, where a key tells them apart, with every merge.
        nulls=first or parameters.mode == "merge",
    )


def drift_lines(
    parameters: IngestParameters, before: TableState, extract: Extract
) -> tuple[str, ...]:
    """How the columns differ from the published ones, a line each.

    Raises SchemaChanged where `on_schema_change` is `fail` and they do.
    """
    if not before.columns or parameters.on_schema_change == "ignore":
        return ()
    lines = tuple(str(change) for change in drift.compare(before.columns, extract.columns))
    if lines and parameters.on_schema_change == "fail":
        raise SchemaChanged(
            f"the columns of {parameters.table} changed: {'; '.join(lines)}; nothing was published",
            hint="accept it with one run of on_schema_change: evolve, or change the columns rules",
        )
    return lines


def _stop_if_blocked(record: RunRecord) -> None:
    blocking = [verdict for verdict in record.verdicts if verdict.blocks]
    if any(verdict.outcome in ("fail", "error") for verdict in record.verdicts):
        emit_event(**check_failed_event(record.verdicts, record.table))
    if blocking:
        told = "; ".join(f"{verdict.name}: {verdict.observed}" for verdict in blocking)
        raise ChecksFailed(
            f"{len(blocking)} of {len(record.verdicts)} checks of {record.table} failed: {told}; "
            "nothing was published"
        )


def _publication(
    parameters: IngestParameters,
    run_id: str,
    record: RunRecord,
    spool: Spool,
    before: TableState,
) -> Publication:
    found = record.extract
    assert found is not None  # noqa: S101  # the step before
    names = {column.source_name: column.name for column in found.columns}
    return Publication(
        table=parameters.table,
        flow_run=run_id,
        mode=parameters.mode,
        format=parameters.format,
        files=tuple(str(file) for file in found.files),
        columns=found.columns,
        rows=found.rows,
        read_at=found.read_at,
        key=_lake_key(parameters, found),
        slice=None if parameters.cursor is None else (found.lower, found.watermark),
        watermark=found.watermark,
        metrics=tuple(
            (verdict.name, verdict.metric)
            for verdict in record.verdicts
            if verdict.metric is not None
        ),
        schema_change=record.schema_change,
        keys=tuple(str(file) for file in sorted(spool.keys.glob("*.parquet"))),
        backfill=parameters.backfill is not None,
        cursor=None if parameters.cursor is None else names.get(parameters.cursor),
        bounds="(]" if parameters.backfill is None else "[]",
        base_version=before.version,
    )


def _lake_key(parameters: IngestParameters, extract: Extract) -> tuple[str, ...]:
    """The key's columns as the lake names them."""
    names = {column.source_name: column.name for column in extract.columns}
    return tuple(names.get(name, name) for name in parameters.key or ())


def _is_over(flow_run_id: str) -> bool:
    """Whether a flow run has ended, so that its announced publish will never go on."""
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(flow_run_id)).state
        except (ObjectNotFound, ValueError):
            return True
    return state is None or state.is_final()


@contextmanager
def _source_slots(parameters: IngestParameters, source: Source, connections: int) -> Iterator[None]:
    """Hold as many of the source's slots as connections, whichever worker this is."""
    name = source_limit.limit_name(parameters.source)
    if name is None:
        yield
        return
    with get_client(sync_client=True) as client:
        source_limit.ensure_limit(client, name, parameters.limits.max_connections)
    disconnect = partial(dialect_for(source).disconnect, source)
    run_id = UUID(str(current_flow_run.id))
    with source_limit.occupied(name, connections, run_id, source, disconnect):
        yield


@contextmanager
def _telling(record: RunRecord, run_id: str) -> Iterator[None]:
    """Tell what is known when the run ends, well or not."""
    try:
        yield
    finally:
        try:
            _tell(record, run_id)
        except Exception as error:  # noqa: BLE001  # the data is published or it is not: a missing label changes neither
            get_run_logger().warning("the run's labels or artifact could not be stored: %s", error)


def _tell(record: RunRecord, run_id: str) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(UUID(run_id), labels(record))
    create_markdown_artifact(
        summary_markdown(record) + verdicts_markdown(record.verdicts),
        key=artifact_key(record.table),
        description=f"{record.table}: the last run",
    )
