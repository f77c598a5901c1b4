"""When a schedule fires: the same times as Prefect's server, without importing Prefect."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Instant = float
"""Seconds since 1970-01-01 00:00 UTC."""

DAY = 86400.0
_RRULE_ANCHOR = date(2020, 1, 1)  # Prefect's DEFAULT_ANCHOR_DATE for rules without DTSTART
_SEARCH_DAYS = (2, 40, 400, 4000)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule of a deployment; exactly one of `cron`, `interval` and `rrule` is set.

    Attributes:
        timezone: IANA name the clock times of the schedule are read in.
        day_or: cron's day of month and day of week are alternatives (both must match if False).
        interval: seconds; anchor: one time it fires at.
    """

    timezone: str = "UTC"
    cron: str | None = None
    day_or: bool = True
    interval: float | None = None
    anchor: Instant = 0.0
    rrule: str | None = None

    @classmethod
    def from_api(cls, spec: Mapping[str, Any]) -> Schedule:
        """Read the `schedule` object of Prefect's API."""
        zone = spec.get("timezone") or "UTC"
        if spec.get("cron"):
            return cls(zone, cron=spec["cron"], day_or=spec.get("day_or", True))
        if spec.get("interval") is not None:
            anchor = datetime.fromisoformat(spec["anchor_date"]).timestamp()
            return cls(zone, interval=float(spec["interval"]), anchor=anchor)
        return cls(zone, rrule=spec["rrule"])

    def times(self, start: Instant, end: Instant) -> tuple[Instant, ...]:
        """All times it fires in [start, end), ascending, without duplicates."""
        return _times(self, start, end) if start < end else ()

    def next_after(self, moment: Instant) -> Instant | None:
        """First time strictly after `moment`; None where there is none within ten years."""
        for days in _SEARCH_DAYS:
            # Whole days, so that tables which share a schedule share the cached answer.
            start = math.floor(moment / DAY) * DAY
            later = (t for t in self.times(start, start + days * DAY) if t > moment)
            if (found := next(later, None)) is not None:
                return found
        return None

    def __str__(self) -> str:
        if self.cron is not None:
            return f"{self.cron} {self.timezone}"
        if self.interval is not None:
            return f"every {timedelta(seconds=self.interval)}"
        return f"{self.rrule} {self.timezone}"


@lru_cache(maxsize=8192)
def _times(schedule: Schedule, start: Instant, end: Instant) -> tuple[Instant, ...]:
    if schedule.interval is not None:
        return tuple(_interval_times(schedule, schedule.interval, start, end))
    zone = zone_of(schedule.timezone)
    # A day of margin on each side: wall-clock order and instant order differ around
    # the hour that daylight saving repeats or skips.
    first = datetime.fromtimestamp(start, zone).replace(tzinfo=None) - timedelta(days=1)
    last = datetime.fromtimestamp(end, zone).replace(tzinfo=None) + timedelta(days=1)
    walls = (
        _rrule_walls(schedule, first, last)
        if schedule.rrule
        else _cron_walls(schedule, first, last)
    )
    return tuple(sorted({t for wall in walls if start <= (t := instant_of(wall, zone)) < end}))


def _interval_times(
    schedule: Schedule, interval: float, start: Instant, end: Instant
) -> Iterator[Instant]:
    count = math.ceil((start - schedule.anchor) / interval)
    zone = zone_of(schedule.timezone)
    while (moment := schedule.anchor + count * interval) < end:
        # Prefect compares wall clocks, so of an hour that daylight saving repeats it
        # fires the first only (seen on Python 3.11 and 3.12).
        if schedule.timezone == "UTC" or not datetime.fromtimestamp(moment, zone).fold:
            yield moment
        count += 1


def _cron_walls(schedule: Schedule, first: datetime, last: datetime) -> Iterator[datetime]:
    cron = _croniter()(schedule.cron, first, day_or=schedule.day_or)
    while (wall := cron.get_next(datetime)) < last:
        yield wall


def _rrule_walls(schedule: Schedule, first: datetime, last: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr

    rule = rrulestr(schedule.rrule, dtstart=_RRULE_ANCHOR, ignoretz=True)
    yield from rule.between(first, last, inc=True)


@cache
def zone_of(name: str) -> ZoneInfo:
    """The time zone of that IANA name."""
    return ZoneInfo(name)


def instant_of(wall: datetime, zone: ZoneInfo) -> Instant:
    """A naive wall-clock time in a zone.

    A time that daylight saving skips moves forward by the gap; of one it repeats,
    the first is meant (RFC 5545, 3.3.5).
    """
    return wall.replace(tzinfo=zone).timestamp()


def wall_of(moment: Instant, zone: ZoneInfo) -> datetime:
    """The wall clock of a zone at that moment, naive."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None)


def utc(moment: Instant) -> datetime:
    """The moment as an aware datetime in UTC."""
    return datetime.fromtimestamp(moment, UTC)


@cache
def _croniter() -> Any:
    # The server reads cron with the croniter it carries. The same file gives the same
    # times to the last dialect detail; importing it through `prefect` would cost seconds.
    package = importlib.util.find_spec("prefect")
    if package is None or package.origin is None:
        raise ImportError("Prefect is not installed")
    path = Path(package.origin).with_name("_vendor") / "croniter" / "croniter.py"
    spec = importlib.util.spec_from_file_location("duckherd.sla._croniter", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.croniter
