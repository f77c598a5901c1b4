"""From schedules and runs to judged slots. The rules in words: docs/sla.md."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import lru_cache

from duckherd.sla.model import ACTIVE_STATES, Outcome, Run, Slot, Timeline, Version
from duckherd.sla.objective import Objective, parse_duration
from duckherd.sla.schedule import DAY, Instant, Schedule, instant_of, wall_of, zone_of

_SAME_SLOT = 3600.0
_FAR = 8.64e15


@dataclass(frozen=True, slots=True)
class Due:
    """A scheduled time, and the version and schedule (None: not known) it comes from."""

    time: Instant
    version: Version
    schedule: Schedule | None


@dataclass(slots=True)
class _Runs:
    """A table's runs, indexed for judging."""

    scheduled: dict[Instant, list[Run]] = field(default_factory=dict)
    started: list[Run] = field(default_factory=list)
    starts: list[Instant] = field(default_factory=list)
    publishes: list[Run] = field(default_factory=list)

    @classmethod
    def index(cls, runs: Iterable[Run]) -> _Runs:
        found = cls()
        for run in runs:
            if run.scheduled is not None:
                found.scheduled.setdefault(run.scheduled, []).append(run)
            if run.start is not None and not run.backfill:
                found.started.append(run)
        found.started.sort(key=lambda run: run.start or 0.0)
        found.starts = [run.start or 0.0 for run in found.started]
        found.publishes = sorted(
            (run for run in found.started if run.published is not None),
            key=lambda run: run.published or 0.0,
        )
        return found

    def started_in(self, start: Instant, end: Instant) -> Sequence[Run]:
        return self.started[bisect_left(self.starts, start) : bisect_left(self.starts, end)]


def slots(
    timeline: Timeline, runs: Iterable[Run], start: Instant, end: Instant, now: Instant
) -> tuple[Slot, ...]:
    """All slots of one table scheduled in [start, end) and not after `now`, ascending.

    `runs` holds every run of the table that started or was due from `start` on, in any order.
    """
    index = _Runs.index(runs)
    dues = due_times(timeline, index.scheduled, start, min(end, now + 1e-6))
    times = [due.time for due in dues]
    following = [*times[1:], _next_due(dues[-1], timeline)] if dues else []
    return tuple(
        _judge(timeline, due, after, index, now) for due, after in zip(dues, following, strict=True)
    )


def due_times(
    timeline: Timeline, scheduled: Collection[Instant], start: Instant, end: Instant
) -> list[Due]:
    """Scheduled times in [start, end): of every version's schedules, and of scheduled runs.

    A scheduled run is proof of its slot even where the schedule of that day is not known.
    """
    found: dict[Instant, Due] = {}
    for version, since, until in _spans(timeline, start, end):
        for schedule in version.schedules:
            for moment in schedule.times(since, until):
                found.setdefault(moment, Due(moment, version, schedule))
    for moment in scheduled:
        if start <= moment < end and moment not in found:
            due = _due_of_run(timeline, moment)
            _drop_shifted(found, due, scheduled)
            found[moment] = due
    return [found[moment] for moment in sorted(found)]


def _spans(
    timeline: Timeline, start: Instant, end: Instant
) -> Iterator[tuple[Version, Instant, Instant]]:
    stop = min(end, timeline.deleted if timeline.deleted is not None else _FAR)
    untils = [*(version.since for version in timeline.versions[1:]), _FAR]
    for version, until in zip(timeline.versions, untils, strict=True):
        yield version, max(start, version.since), min(stop, until)


def version_at(timeline: Timeline, moment: Instant) -> Version:
    """The version in force at that moment; the first one before there was any."""
    index = bisect_right([version.since for version in timeline.versions], moment) - 1
    return timeline.versions[max(index, 0)] if timeline.versions else Version(0.0)


def _due_of_run(timeline: Timeline, moment: Instant) -> Due:
    version = version_at(timeline, moment)
    return Due(moment, version, version.schedules[0] if version.schedules else None)


def _drop_shifted(found: dict[Instant, Due], due: Due, scheduled: Container[Instant]) -> None:
    """Forget our time where the server meant the same slot an hour from it.

    Around daylight saving Prefect shifts intervals of a day and more, and moves skipped
    times by an hour in a direction that depends on its Python. Its own run is the truth.
    """
    for moment in (due.time - _SAME_SLOT, due.time + _SAME_SLOT):
        if moment in found and moment not in scheduled:
            del found[moment]


def _next_due(due: Due, timeline: Timeline) -> Instant:
    version = version_at(timeline, due.time)
    later = [
        t for schedule in version.schedules if (t := schedule.next_after(due.time)) is not None
    ]
    return min(later, default=due.time + DAY)


def deadline_of(due: Due, following: Instant) -> Instant:
    """When a slot must be published: `deadline`, `within`, else when the next slot is due."""
    objective = due.version.objective
    zone = due.schedule.timezone if due.schedule else "UTC"
    return _deadline(objective, zone, due.time, following)


@lru_cache(maxsize=65536)
def _deadline(
    objective: Objective | None, zone: str, moment: Instant, following: Instant
) -> Instant:
    if objective and objective.deadline:
        return next_wall_clock(moment, objective.deadline, zone)
    if objective and objective.within:
        return moment + parse_duration(objective.within)
    return following


def next_wall_clock(moment: Instant, clock: str, zone: str) -> Instant:
    """First time after `moment` that clocks in `zone` show HH:MM.

    Where daylight saving skips that time, the moment the gap ends plus what is left of
    it; where it repeats, the first of the two that is after `moment`.
    """
    tz = zone_of(zone)
    at = time.fromisoformat(clock)
    day = wall_of(moment, tz).date()
    walls = (datetime.combine(day + timedelta(days=days), at) for days in (0, 1, 2))
    candidates = (instant_of(wall.replace(fold=fold), tz) for wall in walls for fold in (0, 1))
    return next(candidate for candidate in candidates if candidate > moment)


def _judge(timeline: Timeline, due: Due, following: Instant, index: _Runs, now: Instant) -> Slot:
    deadline = deadline_of(due, following)
    own = [run for run in index.scheduled.get(due.time, ()) if not run.backfill]
    attempts = _attempts(due, following, own, index)
    in_time = _served(due, deadline, own, index)
    executions = sum(max(run.attempts, 1) for run in attempts)
    outcome, run, reason = _verdict(timeline, due, deadline, attempts, in_time, index, now)
    published = run.published if run and outcome is not Outcome.EXCLUDED else None
    return Slot(
        table=timeline.name,
        time=due.time,
        deadline=deadline,
        day=_day(due),
        outcome=outcome,
        run=run.id if run else None,
        published=published,
        attempts=executions,
        reason=reason,
    )


def _day(due: Due) -> int:
    zone = zone_of(due.schedule.timezone if due.schedule else "UTC")
    return datetime.fromtimestamp(due.time, zone).toordinal()


def _attempts(due: Due, following: Instant, own: list[Run], index: _Runs) -> list[Run]:
    """Runs made for this slot: its scheduled run, and manual ones until the next slot."""
    manual = [run for run in index.started_in(due.time, following) if run.scheduled is None]
    tried = [run for run in own if run.attempts or run.state == "CRASHED"]
    return sorted((*tried, *manual), key=lambda run: run.start or due.time)


def _served(due: Due, deadline: Instant, own: list[Run], index: _Runs) -> Run | None:
    """The run whose publish, in time, first carried data read at or after the slot's time."""
    others = index.started_in(due.time, deadline)
    published = [run for run in (*own, *others) if _by(run, deadline)]
    return min(published, key=lambda run: run.published or 0.0, default=None)


def _by(run: Run, deadline: Instant) -> bool:
    return run.published is not None and run.published <= deadline


_Verdict = tuple[Outcome, Run | None, str]


def _verdict(
    timeline: Timeline,
    due: Due,
    deadline: Instant,
    attempts: list[Run],
    in_time: Run | None,
    index: _Runs,
    now: Instant,
) -> _Verdict:
    last = attempts[-1] if attempts else None
    objective = due.version.objective
    if in_time is None and (reason := _excluded(timeline, due, deadline, attempts, now)):
        return Outcome.EXCLUDED, last, reason
    if objective and objective.freshness:
        fresh = _fresh(objective, deadline, now, index)
        if fresh is None:
            return Outcome.OPEN, in_time or last, ""
        if not fresh:
            stale = (Outcome.STALE, in_time, "") if in_time else None
            return stale or _missed(deadline, attempts, now)
        if not (objective.deadline or objective.within):
            return _good(attempts, in_time or last), in_time or last, ""
    if in_time is not None:
        return _good(attempts, in_time), in_time, ""
    return _missed(deadline, attempts, now)


def _excluded(
    timeline: Timeline, due: Due, deadline: Instant, attempts: list[Run], now: Instant
) -> str:
    if due.version.paused and not attempts:
        return "paused"
    if timeline.deleted is not None and timeline.deleted < min(deadline, now):
        return "removed before its deadline"
    return ""


def _fresh(objective: Objective, deadline: Instant, now: Instant, index: _Runs) -> bool | None:
    """Whether the newest published data is young enough at the deadline; None: not known yet."""
    oldest = deadline - parse_duration(objective.freshness or "0s")
    moment = min(deadline, now)
    published = (run for run in index.publishes if _by(run, moment))
    if max((run.fresh_until for run in published), default=0.0) >= oldest:
        return True
    return False if deadline <= now else None


def _good(attempts: list[Run], run: Run | None) -> Outcome:
    if run is None:
        return Outcome.GOOD
    first = attempts[0].id == run.id if attempts else True
    return Outcome.GOOD if first and run.attempts <= 1 else Outcome.RETRIED


def _missed(deadline: Instant, attempts: list[Run], now: Instant) -> _Verdict:
    if now < deadline:
        return Outcome.OPEN, attempts[-1] if attempts else None, ""
    published = [run for run in attempts if run.published is not None]
    if published:
        return Outcome.LATE, min(published, key=lambda run: run.published or 0.0), ""
    if not attempts:
        return Outcome.MISSING, None, ""
    last = attempts[-1]
    if last.state in ACTIVE_STATES:
        return Outcome.LATE, last, ""
    return (Outcome.CHECK_FAILED if last.checks_failed else Outcome.FAILED), last, ""
