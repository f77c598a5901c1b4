"""`duckherd status`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from cyclopts import Parameter

from duckherd.api.client import Api
from duckherd.api.work_pools import online_workers, read_work_pool
from duckherd.cli.asked import or_none
from duckherd.cli.connection import Connection, connect
from duckherd.cli.ending import Exit
from duckherd.cli.herd import Herd, choose, project_of, read_herd
from duckherd.cli.output import Field, Output, Row, emit, message
from duckherd.cli.project import PROJECT_FILE, Exclude, File
from duckherd.cli.units import ago, count, duration
from duckherd.cli.watching import worker_command
from duckherd.runs.model import TableDeployment

_STYLES = MappingProxyType(
    {"failed": "red", "crashed": "red", "late": "yellow", "running": "cyan", "ok": "green"}
)
_ORDER = ("crashed", "failed", "late", "cancelled", "paused", "running", "queued", "missing", "ok")
"""What needs somebody comes first."""

_RERUN = MappingProxyType({"crashed": "retry", "failed": "retry", "cancelled": "run"})

_FIELDS = (
    Field("table", "TABLE"),
    Field("result", "RESULT", style=lambda value: _STYLES.get(value, "")),
    Field("since", "SINCE", show=ago),
    Field("reason", "WHY"),
    Field("rerun"),
    Field("deployment"),
    Field("rows", show=count),
    Field("seconds", show=duration),
    Field("flow_run"),
    Field("url"),
)


def status(
    *select: str,
    exclude: Exclude = None,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    file: File = PROJECT_FILE,
    output: Output = "text",
) -> int:
    """Tell what is going on, why, and what to rerun.

    Shows each selected table whose last run did not go well or is not over: why, since
    when, and the command that reruns it. Tables that are well are counted, and listed
    with --all or when they are selected. Exit code 1 if any failed or crashed.

    Args:
        select: Which tables; all of the project unless given. See docs/selection.md.
        all_: List the tables that are well too.
    """
    with connect("duckherd status") as connection:
        herd = _read(connection, file)
        nobody: list[TableDeployment] = []
        chosen = or_none(
            lambda: choose(herd, select, exclude or ()), herd.deployments, select, nobody
        )
        rows = sorted(
            (_row(connection.api, herd, each) for each in chosen),
            key=lambda row: (_ORDER.index(row["result"]), row["table"] or row["deployment"]),
        )
        listed = rows
        if output == "text" and not (all_ or select):
            listed = [row for row in rows if row["result"] != "ok"]
        emit(listed, _FIELDS, output, name="tables", extra={"missing": list(herd.missing)})
        if output == "text":
            _tell(rows, herd, " ".join(select))
        if connection.private is None:
            _tell_pools(connection.api, chosen, rows)
    return Exit.FAILED if any(row["result"] in {"failed", "crashed"} for row in rows) else Exit.GOOD


def _read(connection: Connection, file: Path) -> Herd:
    """The project's herd; a large file is parsed while the server answers."""
    with ThreadPoolExecutor(1) as pool:
        project = pool.submit(project_of, file)
        return read_herd(connection, None, last=True).of(project.result())


def _row(api: Api, herd: Herd, deployment: TableDeployment) -> Row:
    from duckherd.project.selection import quote

    about = {"table": deployment.table, "deployment": deployment.name}
    run = herd.last.get(deployment.id)
    if run is None:
        return {**about, "result": "missing", "reason": "it never ran"}
    verb = _RERUN.get(run.outcome)
    rerun = shlex.join(["duckherd", verb, quote(deployment.name)]) if verb else None
    return {
        **about,
        "result": run.outcome,
        "since": run.since,
        "reason": run.reason or None,
        "rerun": rerun,
        "rows": run.rows,
        "seconds": run.seconds,
        "flow_run": run.id,
        "url": f"{api.ui_url}/runs/flow-run/{run.id}" if api.ui_url else None,
    }


def _tell(rows: Sequence[Row], herd: Herd, asked: str) -> None:
    if not rows:
        message(f"0 of {len(herd.deployments):,} tables match {asked}")
        return
    counts = Counter(row["result"] for row in rows)
    told = [f"{counts[result]:,} {result}" for result in _ORDER if counts[result]]
    message(f"{len(rows):,} tables: {', '.join(told)}")
    reruns = [row["rerun"] for row in rows if row["rerun"]]
    if len(reruns) == 1:
        message(f"run again: {reruns[0]}")
    elif counts["failed"] or counts["crashed"]:
        message("run again: duckherd retry")
    if herd.missing:
        message(f"{len(herd.missing):,} tables of the file are not on the server: duckherd apply")


def _tell_pools(api: Api, chosen: Sequence[TableDeployment], rows: Sequence[Row]) -> None:
    """Where runs wait, say whether anybody will take them."""
    waiting = {row["deployment"] for row in rows if row["result"] in {"queued", "late"}}
    for name in sorted({str(each.work_pool) for each in chosen if each.name in waiting}):
        pool = read_work_pool(api, name)
        if pool is not None and pool.needs_worker and not online_workers(api, name):
            message(f"no worker polls work pool {name}: {worker_command(name, pool.type)}")
