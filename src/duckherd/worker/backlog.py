"""Flow runs a poll returned that no slot was free for, or that are not due yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun


@dataclass
class Backlog:
    """Runs in the order the server gave them: by queue priority, then scheduled time."""

    _runs: dict[UUID, FlowRun] = field(default_factory=dict)

    def replace(self, runs: Iterable[FlowRun]) -> None:
        """Take over a new poll's answer; what it no longer contains is no longer ours."""
        self._runs = {run.id: run for run in runs}

    def clear(self) -> None:
        self._runs.clear()

    def take_due(self, now: datetime) -> FlowRun | None:
        """Remove and return the first run that is due, or None."""
        for run in self._runs.values():
            if (due := _due_at(run)) is None or due <= now:
                return self._runs.pop(run.id)
        return None

    def next_due(self, now: datetime) -> float | None:
        """Seconds until the next run is due, or None if no run is waiting."""
        times = [time for run in self._runs.values() if (time := _due_at(run))]
        return max((min(times) - now).total_seconds(), 0.0) if times else None

    def put_back(self, run: FlowRun) -> None:
        """Return a run that was taken but found no slot to the front."""
        self._runs = {run.id: run, **self._runs}

    def has_due(self, now: datetime) -> bool:
        """Whether a run could start now."""
        return any((time := _due_at(run)) is None or time <= now for run in self._runs.values())


def _due_at(run: FlowRun) -> datetime | None:
    return run.next_scheduled_start_time or run.expected_start_time
