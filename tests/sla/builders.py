"""Short ways to write the hand-counted examples."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

from duckherd.sla.model import Run, Slot, Timeline, Version
from duckherd.sla.objective import Objective
from duckherd.sla.schedule import DAY, Schedule
from duckherd.sla.slots import slots

HOUR = 3600.0
MINUTE = 60.0
ZONE = "Europe/Warsaw"
NIGHTLY = Schedule(ZONE, cron="0 2 * * *")
SIX = Objective(deadline="06:00", target=99.0)
_ids = itertools.count()


def at(text: str, zone: str = ZONE) -> float:
    """The instant of a wall-clock time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def run(
    scheduled: float | None = None,
    *,
    start: float | None = None,
    published: float | None = None,
    state: str = "COMPLETED",
    name: str = "",
    attempts: int = 1,
    data_until: float | None = None,
    backfill: bool = False,
) -> Run:
    """A run that starts when due unless said otherwise."""
    begin = start if start is not None else scheduled
    return Run(
        id=f"run-{next(_ids)}",
        state=state,
        state_name=name or state.title(),
        scheduled=scheduled,
        attempts=attempts,
        start=begin if attempts else None,
        end=published,
        published=published,
        data_until=data_until,
        backfill=backfill,
    )


def good(scheduled: float, after: float = 10 * MINUTE) -> Run:
    """A run that published that many seconds after it was due."""
    return run(scheduled, published=scheduled + after)


def timeline(*versions: Version, deleted: float | None = None) -> Timeline:
    """A table called erp.sales.orders."""
    return Timeline("erp.sales.orders", versions, deleted)


def nightly(since: str = "2025-01-01T00:00", objective: Objective | None = SIX) -> Timeline:
    """A table due at 02:00 in Warsaw."""
    return timeline(Version(at(since), (NIGHTLY,), objective=objective))


def judged(
    table: Timeline, runs: list[Run], start: str, end: str, now: str | None = None
) -> tuple[Slot, ...]:
    """Slots in [start, end), seen from `now` (a day after the end unless given)."""
    moment = at(now) if now else at(end) + DAY
    return slots(table, runs, at(start), at(end), moment)


def outcomes(found: tuple[Slot, ...]) -> list[str]:
    """Just the outcomes."""
    return [str(slot.outcome) for slot in found]
