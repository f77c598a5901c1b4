"""From schedules and runs to judged slots. The rules in words: docs/sla.md."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile

from duckherd.sla.model import ACTIVE_STATES, Outcome, Run, Slot, Timeline, Version
from duckherd.sla.objective import Objective, parse_duration
from duckherd.sla.schedule import DAY, Instant, Schedule, instant_of, wall_of, zone_of

_SAME_SLOT = 3600.0
_FAR = 8.64e15


@dataclass(frozen=True, slots=True)
class Due:
    """A scheduled time and what was promised for it.

    Attributes:
        deadline: None where it is the next slot's time.
        day: ordinal of the scheduled day in the schedule's time zone.
    """

    time: Instant
    deadline: Instant | None
    day: int
    objective: Objective | None
    paused: bool


@dataclass(slots=True)
class _Runs:
    """A table's runs, indexed for judging."""

    scheduled: dict[Instant, list[Run]] = field(default_factory=dict)
    started: list[Run] = field(default_factory=list)
    starts: list[Instant] = field(default_factory=list)
    manual: list[Run] = field(default_factory=list)

    @classmethod
    def index(cls, runs: Iterable[Run]) -> _Runs:
        found = cls()
        for run in runs:
            if run.scheduled is not None:
                found.scheduled.setdefault(run.scheduled, []).append(run)
            if run.start is not None and not run.backfill:
                found.started.append(run)
        found.started.sort(key=_start)
        found.starts = [_start(run) for run in found.started]
        found.manual = [run for run in found.started if run.scheduled is None]
        return found

    def started_in(self, start: Instant, end: Instant) -> Sequence[Run]:
        return self.started[bisect_left(self.starts, start) : bisect_left(self.starts, end)]


def _start(run: Run) -> Instant:
    return run.start or 0.0


def _published(run: Run) -> Instant:
    return run.published or 0.0


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
        calendar = _calendar(version.schedules, version.objective, version.paused, since, until)
        found.update((due.time, due) for due in calendar if due.time not in found)
    for moment in scheduled:
        if start <= moment < end and moment not in found:
            _drop_shifted(found, moment, scheduled)
            found[moment] = _due_of_run(timeline, moment)
    return [found[moment] for moment in sorted(found)]


@lru_cache(maxsize=8192)
def _calendar(
    schedules: tuple[Schedule, ...],
    objective: Objective | None,
    paused: bool,
    since: Instant,
    until: Instant,
) -> tuple[Due, ...]:
    """Shared by all tables with the same schedules and promise: a herd has few of them."""
    return tuple(
        _due(moment, schedule.timezone, objective, paused)
        for schedule in schedules
        for moment in schedule.times(since, until)
    )


def _due(moment: Instant, zone: str, objective: Objective | None, paused: bool) -> Due:
    day = wall_of(moment, zone_of(zone)).toordinal()
    return Due(moment, _promised(objective, zone, moment), day, objective, paused)


def _promised(objective: Objective | None, zone: str, moment: Instant) -> Instant | None:
    """`deadline` or `within`; None: when the next slot is due."""
    if objective and objective.deadline:
        return next_wall_clock(moment, objective.deadline, zone)
    if objective and objective.within:
        return moment + parse_duration(objective.within)
    return None


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
    zone = version.schedules[0].timezone if version.schedules else "UTC"
    return _due(moment, zone, version.objective, version.paused)


def _drop_shifted(
    found: dict[Instant, Due], moment: Instant, scheduled: Container[Instant]
) -> None:
    """Forget our time where the server meant the same slot an hour from it.

    Around daylight saving Prefect shifts intervals of a day and more, and moves skipped
    times by an hour in a direction that depends on its Python. Its own run is the truth.
    """
    for ours in (moment - _SAME_SLOT, moment + _SAME_SLOT):
        if ours in found and ours not in scheduled:
            del found[ours]


def _next_due(due: Due, timeline: Timeline) -> Instant:
    return _following(version_at(timeline, due.time), due.time)


def _following(version: Version, due: Instant) -> Instant:
    """The next scheduled time after `due`; a day later where none comes."""
    found = _next_time(version, due)
    return due + DAY if found is None else found[0]


def _next_time(version: Version, moment: Instant) -> tuple[Instant, str] | None:
    """When a version's schedules fire next, and the time zone that is told in."""
    later = (
        (t, schedule.timezone)
        for schedule in version.schedules
        if (t := schedule.next_after(moment)) is not None
    )
    return min(later, default=None)


def next_deadline(version: Version, moment: Instant) -> Instant | None:
    """Deadline of the next slot after `moment`; None where none comes."""
    if (due := _next_time(version, moment)) is None:
        return None
    promised = _promised(version.objective, due[1], due[0])
    return _following(version, due[0]) if promised is None else promised


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
    deadline = due.deadline if due.deadline is not None else following
    own = [run for run in index.scheduled.get(due.time, ()) if not run.backfill]
    if len(own) == 1 and _plainly_good(own[0], due, deadline, index):
        (only,) = own
        good = Outcome.GOOD
        return Slot(timeline.name, due.time, deadline, due.day, good, only.id, only.published, 1)
    attempts = _attempts(due, following, own, index)
    in_time = _served(due, deadline, own, index)
    outcome, run, reason = _verdict(timeline, due, deadline, attempts, in_time, index, now)
    published = run.published if run and outcome is not Outcome.EXCLUDED else None
    return Slot(
        table=timeline.name,
        time=due.time,
        deadline=deadline,
        day=due.day,
        outcome=outcome,
        run=run.id if run else None,
        published=published,
        attempts=sum(run.attempts or 1 for run in attempts),
        reason=reason,
    )


def _plainly_good(run: Run, due: Due, deadline: Instant, index: _Runs) -> bool:
    """The usual slot, which needs no weighing: its own run, once, in time, and no other about."""
    return (
        run.attempts == 1
        and run.published is not None
        and run.published <= deadline
        and not index.manual
        and (due.objective is None or due.objective.freshness is None)
        and len(index.started_in(due.time, run.published)) == 1
    )


def _attempts(due: Due, following: Instant, own: list[Run], index: _Runs) -> list[Run]:
    """Runs made for this slot: its scheduled run, and manual ones until the next slot."""
    manual = [run for run in index.manual if due.time <= _start(run) < following]
    tried = [run for run in own if run.attempts or run.state == "CRASHED"]
    if len(tried) + len(manual) <= 1:
        return tried or manual
    return sorted((*tried, *manual), key=lambda run: run.start or due.time)


def _served(due: Due, deadline: Instant, own: list[Run], index: _Runs) -> Run | None:
    """The run whose publish, in time, first carried data read at or after the slot's time."""
    others = index.started_in(due.time, deadline)
    in_time = [run for run in (*own, *others) if run.published and run.published <= deadline]
    return min(in_time, key=_published) if len(in_time) > 1 else next(iter(in_time), None)


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
    objective = due.objective
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
    if due.paused and not attempts:
        return "paused"
    if timeline.deleted is not None and timeline.deleted < min(deadline, now):
        return "removed before its deadline"
    return ""


def _fresh(objective: Objective, deadline: Instant, now: Instant, index: _Runs) -> bool | None:
    """Whether what was published last is young enough at the deadline; None: not known yet."""
    oldest = deadline - parse_duration(objective.freshness or "0s")
    moment = min(deadline, now)
    # What was published by a run that started long before is too old anyway.
    candidates = reversed(index.started[: bisect_right(index.starts, moment)])
    recent = takewhile(lambda run: _start(run) >= oldest - 7 * DAY, candidates)
    published = (run for run in recent if run.published and run.published <= moment)
    # Readers see what was published last, also where an earlier run had newer data.
    visible = max(published, key=_published, default=None)
    if visible is not None and visible.fresh_until >= oldest:
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
        return Outcome.LATE, min(published, key=_published), ""
    if not attempts:
        return Outcome.MISSING, None, ""
    last = attempts[-1]
    if last.state in ACTIVE_STATES:
        return Outcome.LATE, last, ""
    return (Outcome.CHECK_FAILED if last.checks_failed else Outcome.FAILED), last, ""
