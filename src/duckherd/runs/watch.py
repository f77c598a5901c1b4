"""Watching flow runs to their end with few requests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from duckherd.api.client import Api
from duckherd.errors import ApiUnreachable
from duckherd.runs.model import Outcome, Run

_SHORTEST, _LONGEST = 0.5, 10.0
"""Seconds between two polls."""

_SHARE = 0.1
"""Part of the time that polling may keep the server busy."""

_PATIENCE = 120.0
"""Seconds without an answer before watching is given up."""

_MOVED = [
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CRASHED",
    "CANCELLED",
    "CANCELLING",
    "PAUSED",
]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a set of flow runs stands.

    Attributes:
        runs: run id -> the run as last seen.
        finished: the runs that ended since the one before, in the order they ended.
    """

    runs: Mapping[str, Run]
    finished: tuple[Run, ...] = ()

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """Runs by outcome."""
        return Counter(run.outcome for run in self.runs.values())

    @property
    def open(self) -> tuple[str, ...]:
        """Ids of the runs that are not over."""
        return tuple(run.id for run in self.runs.values() if not run.over)

    @property
    def running(self) -> tuple[Run, ...]:
        """The runs that run, the longest first."""
        running = [run for run in self.runs.values() if run.outcome == "running" and run.start]
        return tuple(sorted(running, key=lambda run: (run.start, run.id)))

    def updated(self, seen: Sequence[Run]) -> Progress:
        """Progress after the server told `seen`, all open runs that are not waiting."""
        told = {run.id: run for run in seen}
        runs = {key: told.get(key) or _waiting(run) for key, run in self.runs.items()}
        ended = [runs[key] for key in self.open if runs[key].over]
        return Progress(
            MappingProxyType(runs),
            tuple(sorted(ended, key=lambda run: (run.end is None, run.end, run.id))),
        )


def _waiting(run: Run) -> Run:
    """A run that was not told: over as before, else waiting (for the first time or a retry)."""
    if run.over or run.state == "SCHEDULED":
        return run
    return replace(run, state="SCHEDULED", state_name="Scheduled")


def watch(
    api: Api,
    runs: Sequence[Run],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Where the runs stand, again and again until all are over.

    Polls sparingly: only runs that are not over are asked for, waiting ones are not told,
    and the pause grows with the time the server takes. Raises ApiUnreachable after two
    minutes without an answer.
    """
    progress = Progress(MappingProxyType({run.id: run for run in runs}))
    answered = clock()
    while progress.open:
        started = clock()
        try:
            seen = _moved(api, progress.open)
        except ApiUnreachable:
            if clock() - answered > _PATIENCE:
                raise
        else:
            answered = clock()
            progress = progress.updated(seen)
            yield progress
        if progress.open:
            sleep(min(_LONGEST, max(_SHORTEST, (clock() - started) / _SHARE)))


def _moved(api: Api, ids: Sequence[str]) -> list[Run]:
    body = {
        "flow_runs": {"id": {"any_": list(ids)}, "state": {"type": {"any_": _MOVED}}},
        "sort": "ID_DESC",
    }
    return list(map(Run.from_api, api.pages("flow_runs/filter", body)))
