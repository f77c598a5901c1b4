"""Flow runs created and watched on the terminal: what `run`, `retry` and `demo` share."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from duckherd.api.client import Api
from duckherd.api.work_pools import online_workers, read_work_pool
from duckherd.cli.ending import Exit
from duckherd.cli.live import Display, LineDisplay, LiveDisplay
from duckherd.cli.output import Field, Format, Row, emit, message
from duckherd.cli.units import count, duration, plural
from duckherd.errors import ApiError, UsageError
from duckherd.runs.model import Run, TableDeployment
from duckherd.runs.start import cancel_runs, create_runs
from duckherd.runs.watch import Progress, watch

FIELDS = (
    Field("table", "TABLE"),
    Field("result", "RESULT"),
    Field("rows", "ROWS", show=count, right=True),
    Field("seconds", "TIME", show=duration, right=True),
    Field("reason", "REASON"),
    Field("deployment"),
    Field("started"),
    Field("ended"),
    Field("flow_run"),
    Field("url"),
)

_LISTED = 8
"""Most names in the command that reruns the failures; more are better said by selection."""

_POOL_CHECK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Tables to run together.

    Attributes:
        api: of the server.
        deployments: what to run, one flow run each.
        parameters: deployment id -> values laid over the deployment's own.
        alive: called while watching; raises when there is no point in waiting.
    """

    api: Api
    deployments: tuple[TableDeployment, ...]
    parameters: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    alive: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Result:
    """How a batch ended.

    Attributes:
        runs: deployment id -> its flow run, in the order of the batch.
        refused: deployments for which the server created no run, and why.
        seconds: wall time from the first request.
        cancelled: whether Ctrl-C cancelled it.
    """

    batch: Batch
    runs: Mapping[str, Run]
    refused: tuple[tuple[TableDeployment, ApiError], ...]
    seconds: float
    cancelled: bool = False

    @property
    def bad(self) -> tuple[tuple[TableDeployment, str, str], ...]:
        """Deployment, outcome and reason of all that did not go well."""
        ended = [
            (each, run.outcome, run.reason)
            for each in self.batch.deployments
            if (run := self.runs.get(each.id)) is not None and run.over and run.outcome != "ok"
        ]
        return (*ended, *((each, "refused", error.message) for each, error in self.refused))


def require_workers(api: Api, deployments: Sequence[TableDeployment]) -> None:
    """Raise UsageError where a work pool of the deployments would never run them."""
    for each in deployments:
        if each.work_pool is None:
            raise UsageError(
                f"deployment {each.name} has no work pool, so nobody would run it",
                hint="give it a work_pool in prefect.yaml, then duckherd apply",
            )
    for name in sorted({str(each.work_pool) for each in deployments}):
        pool = read_work_pool(api, name)
        if pool is None:
            raise UsageError(
                f"work pool {name!r} does not exist on this server",
                hint=f"duckherd worker --pool {shlex.quote(name)} makes it and polls it",
            )
        if pool.status == "PAUSED":
            raise UsageError(
                f"work pool {name!r} is paused",
                hint=f"prefect work-pool resume {shlex.quote(name)}",
            )
        if pool.needs_worker and not online_workers(api, name):
            raise UsageError(
                f"no worker polls work pool {name!r}, so its runs would never start",
                hint=f"{worker_command(name, pool.type)}, or --no-wait to leave the runs to a "
                "worker that comes later",
            )


def worker_command(pool: str, kind: str) -> str:
    """The command that starts a worker for a work pool."""
    command = "duckherd worker" if kind == "warm" else "prefect worker start"
    return f"{command} --pool {shlex.quote(pool)}"


def pool_watch(api: Api, deployments: Sequence[TableDeployment]) -> Callable[[], None]:
    """Something to call often that tells, once, of a work pool nobody polls any more."""
    pools = sorted({str(each.work_pool) for each in deployments})
    deserted: set[str] = set()
    checked = time.monotonic()

    def look() -> None:
        nonlocal checked
        if time.monotonic() - checked < _POOL_CHECK_SECONDS:
            return
        checked = time.monotonic()
        for name in pools:
            pool = read_work_pool(api, name)
            if pool is None or not pool.needs_worker or online_workers(api, name):
                deserted.discard(name)
            elif name not in deserted:
                deserted.add(name)
                message(
                    f"no worker polls work pool {name} at present; the runs wait: "
                    f"{worker_command(name, pool.type)}"
                )

    return look


def create_only(batch: Batch) -> Result:
    """Create the flow runs and leave them to the workers."""
    began, runs = time.monotonic(), dict[str, Run]()
    refused = create_runs(batch.api, batch.deployments, batch.parameters, _into(runs))
    return Result(batch, runs, refused, time.monotonic() - began)


def run_and_watch(batch: Batch) -> Result:
    """Create the flow runs and watch them to their end on one live display.

    The first Ctrl-C cancels the runs that were created and waits for them, the second
    one leaves them as they are.
    """
    began, runs = time.monotonic(), dict[str, Run]()
    tables = {each.id: each.table or each.name for each in batch.deployments}
    display: Display = (LiveDisplay if sys.stderr.isatty() else LineDisplay)(tables, began)
    refused: tuple[tuple[TableDeployment, ApiError], ...] = ()
    cancelled = False
    with display:
        try:
            refused = create_runs(batch.api, batch.deployments, batch.parameters, _into(runs))
            _follow(batch, runs, display)
        except KeyboardInterrupt:
            cancelled = True
            _cancel(batch, runs, display)
    return Result(batch, runs, refused, time.monotonic() - began, cancelled)


def report(result: Result, output: Format, command: str) -> int:
    """Tell how a batch ended; the exit code.

    `command` is how one table is run again, e.g. `duckherd run`.
    """
    if output == "text":
        print(_summary(result))
        for deployment, outcome, reason in result.bad:
            print(
                f"  {deployment.table or deployment.name}  {outcome}: {reason or 'no reason told'}"
            )
        if again := rerun(result, command):
            print(f"run again: {again}")
    else:
        emit(rows(result), FIELDS, output, name="runs", extra={"seconds": round(result.seconds, 3)})
    if result.cancelled:
        return Exit.INTERRUPTED
    return Exit.FAILED if result.bad else Exit.GOOD


def rerun(result: Result, command: str) -> str | None:
    """The exact command that runs again what went wrong; None where nothing did."""
    from duckherd.project.selection import quote

    names = [deployment.name for deployment, *_ in result.bad]
    if not names:
        return None
    outcomes = {outcome for _, outcome, _ in result.bad}
    if len(names) > _LISTED and outcomes <= {"failed", "crashed"}:
        return "duckherd retry"
    return shlex.join([*command.split(), *map(quote, names)])


def rows(result: Result) -> list[Row]:
    """One row for each table of the batch."""
    refused = {each.id: error.message for each, error in result.refused}
    return [
        _row(result.batch.api, each, result.runs.get(each.id), refused.get(each.id))
        for each in result.batch.deployments
    ]


def _follow(batch: Batch, runs: dict[str, Run], display: Display) -> None:
    for progress in watch(batch.api, list(runs.values())):
        _keep(runs, progress)
        display.update(progress)
        if progress.open:
            batch.alive()


def _cancel(batch: Batch, runs: dict[str, Run], display: Display) -> None:
    going = [run.id for run in runs.values() if not run.over]
    message(f"Cancelling {plural(len(going), 'flow run')}; Ctrl-C again leaves them running.")
    try:
        cancel_runs(batch.api, going)
        _follow(batch, runs, display)
    except KeyboardInterrupt:
        message("They go on without being watched: duckherd status")
        raise


def _keep(runs: dict[str, Run], progress: Progress) -> None:
    for run in progress.runs.values():
        if run.deployment_id is not None:
            runs[run.deployment_id] = run


def _into(runs: dict[str, Run]) -> Callable[[Run], None]:
    def created(run: Run) -> None:
        if run.deployment_id is not None:
            runs[run.deployment_id] = run

    return created


def _summary(result: Result) -> str:
    good = [run for run in result.runs.values() if run.outcome == "ok"]
    waiting = sum(not run.over for run in result.runs.values())
    parts = [f"{len(good):,} ok"] if good or not waiting else []
    bad = Counter(outcome for _, outcome, _ in result.bad)
    parts += [f"{number:,} {outcome}" for outcome, number in sorted(bad.items())]
    if waiting:
        parts.append(f"{plural(waiting, 'flow run')} not over yet, see duckherd status")
    read = sum(run.rows or 0 for run in good)
    rows = f"; {plural(read, 'row')} in {duration(result.seconds)}" if good else ""
    return f"{plural(len(result.batch.deployments), 'table')}: {', '.join(parts)}{rows}"


def _row(api: Api, deployment: TableDeployment, run: Run | None, refused: str | None) -> Row:
    about = {"table": deployment.table, "deployment": deployment.name}
    if run is None:
        return {**about, "result": "refused", "reason": refused}
    return {
        **about,
        "result": run.outcome,
        "rows": run.rows,
        "seconds": run.seconds,
        "reason": run.reason or None,
        "started": run.start,
        "ended": run.end,
        "flow_run": run.id,
        "url": f"{api.ui_url}/runs/flow-run/{run.id}" if api.ui_url else None,
    }
