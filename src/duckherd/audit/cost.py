"""What a monolithic flow costs: pure figures from its flow runs and their task runs.

A monolith is a flow of which one run works on many tables, each in a task run of its own.
Its costs beside the work itself:

- *red by few*: a run turns red although most of its task runs went well.
- *thrown away*: the time of task runs that went well in runs that turned red, since the
  next run does all of it again.
- *waiting*: from the start of a flow run to the start of a task run, the time a table
  waits for the ones before it.
- *late by red*: from the end of a red run to the end of the next green run of that flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

_FEW = 0.1
"""Share of failed task runs up to which a red run counts as red by few."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task run that started; times carry their zone, seconds are its running time."""

    good: bool
    start: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class MonolithRun:
    """One ended flow run of a monolith."""

    green: bool
    start: datetime
    end: datetime
    tasks: tuple[TaskRun, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the runs of one flow cost.

    Attributes:
        runs, red: ended flow runs, and those of them that failed or crashed.
        red_by_few: red runs of which at most a tenth of the task runs failed.
        tasks: median number of task runs in one flow run.
        worked: seconds of all task runs.
        thrown_away: seconds of task runs that went well in red runs.
        waited: median seconds a task run started after its flow run.
        late: seconds from each red run's end to the next green run's end, summed; a run
            between two reds counts once. None where the last run is red: nobody knows yet.
    """

    runs: int
    red: int
    red_by_few: int
    tasks: float
    worked: float
    thrown_away: float
    waited: float | None
    late: float | None


def cost(runs: Iterable[MonolithRun]) -> Cost:
    """Figures of one flow's runs; raises ValueError for none."""
    ordered = sorted(runs, key=lambda run: run.end)
    if not ordered:
        raise ValueError("a flow without runs has no cost")
    red = [run for run in ordered if not run.green]
    waits = [(task.start - run.start).total_seconds() for run in ordered for task in run.tasks]
    return Cost(
        runs=len(ordered),
        red=len(red),
        red_by_few=sum(_by_few(run) for run in red),
        tasks=median(len(run.tasks) for run in ordered),
        worked=sum(task.seconds for run in ordered for task in run.tasks),
        thrown_away=sum(task.seconds for run in red for task in run.tasks if task.good),
        waited=median(waits) if waits else None,
        late=_late(ordered),
    )


def _by_few(run: MonolithRun) -> bool:
    failed = sum(not task.good for task in run.tasks)
    return 0 < failed <= max(1, _FEW * len(run.tasks))


def _late(ordered: Sequence[MonolithRun]) -> float | None:
    total, since = 0.0, None
    for run in ordered:
        if not run.green:
            since = since or run.end
        elif since is not None:
            total += (run.end - since).total_seconds()
            since = None
    return None if since is not None else total
