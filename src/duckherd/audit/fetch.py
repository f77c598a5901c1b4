"""Finding monoliths on a server, and reading their runs in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duckherd.api.client import Api
from duckherd.audit.cost import MonolithRun, TaskRun
from duckherd.history.herd import FLOW

_ENDED = ["COMPLETED", "FAILED", "CRASHED"]
_AT_ONCE = 20
"""Flow runs whose task runs are asked for together."""


@dataclass(frozen=True, slots=True)
class Monolith:
    """A flow whose runs have many task runs, and its last ended runs."""

    flow: str
    runs: tuple[MonolithRun, ...]


def read_monoliths(api: Api, *, since: datetime, tasks: int, most_runs: int) -> Iterator[Monolith]:
    """Flows, other than the herd's, whose last run has at least `tasks` task runs.

    Args:
        api: the server.
        since: runs that started before are left out.
        tasks: task runs that make a flow a monolith.
        most_runs: of each flow, the last ones.
    """
    names = {flow["id"]: flow["name"] for flow in api.pages("flows/filter")}
    for flow_id, name in sorted(names.items(), key=lambda item: item[1]):
        if name == FLOW:
            continue
        found = _ended_runs(api, flow_id, since, most_runs)
        if found and _count_tasks(api, found[0]["id"]) >= tasks:
            yield Monolith(name, tuple(_with_tasks(api, found)))


def _ended_runs(api: Api, flow_id: str, since: datetime, most: int) -> list[Any]:
    body = {
        "flows": {"id": {"any_": [flow_id]}},
        "flow_runs": {
            "state": {"type": {"any_": _ENDED}},
            "start_time": {"after_": since.isoformat()},
        },
        "sort": "START_TIME_DESC",
        "limit": most,
    }
    found = api.post("flow_runs/filter", body)
    return [run for run in found if run["start_time"] and run["end_time"]]


def _count_tasks(api: Api, flow_run_id: str) -> int:
    body = {"flow_runs": {"id": {"any_": [flow_run_id]}}}
    return int(api.post("task_runs/count", body))


def _with_tasks(api: Api, runs: Sequence[Any]) -> Iterator[MonolithRun]:
    for first in range(0, len(runs), _AT_ONCE):
        chunk = runs[first : first + _AT_ONCE]
        body = {"flow_runs": {"id": {"any_": [run["id"] for run in chunk]}}, "sort": "ID_DESC"}
        tasks: dict[str, list[TaskRun]] = defaultdict(list)
        for each in api.pages("task_runs/filter", body):
            if each["start_time"]:
                tasks[each["flow_run_id"]].append(_task(each))
        for run in chunk:
            yield _run(run, tasks[run["id"]])


def _task(answer: Any) -> TaskRun:
    return TaskRun(
        good=answer["state_type"] == "COMPLETED",
        start=datetime.fromisoformat(answer["start_time"]),
        seconds=float(answer["total_run_time"]),
    )


def _run(answer: Any, tasks: Sequence[TaskRun]) -> MonolithRun:
    return MonolithRun(
        green=answer["state_type"] == "COMPLETED",
        start=datetime.fromisoformat(answer["start_time"]),
        end=datetime.fromisoformat(answer["end_time"]),
        tasks=tuple(tasks),
    )
