"""Views of the report's sections. Pure: judged slots and figures in, records for templates out."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from duckherd.history.figures import HourWait, RunFacts, TableStep
from duckherd.history.tables import Table
from duckherd.report.judged import Judged, last_judged
from duckherd.report.svg import Column
from duckherd.sla.model import Outcome, Slot
from duckherd.sla.schedule import DAY
from duckherd.sla.timing import Restore, incidents, percentile, time_to_restore
from duckherd.units import count, duration, plural

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence at the top and its five numbers."""

    sentence: str
    tone: str
    numbers: tuple[tuple[str, str], ...]


def verdict(judged: Judged) -> Verdict:
    """How the herd is, in one sentence: the newest slots first, then the objectives."""
    newest = [slot for table in judged.tables if (slot := last_judged(judged.slots[table.name]))]
    recent = [slot for slot in newest if judged.now - slot.time < 2 * DAY]
    good = sum(slot.outcome.is_good for slot in recent)
    breached = sum(one.breached for one in judged.attainments.values())
    restore = restored(judged)
    herd = judged.group("herd", judged.tables)
    return Verdict(
        sentence=_sentence(recent, good, _promises(herd.tables, breached)),
        tone="bad" if good < len(recent) else "warn" if breached else "good",
        numbers=(
            (f"{good:,} / {len(recent):,}", "tables delivered in time, newest slot"),
            (_percent(herd.percent), "of slots good, over the objectives' windows"),
            (count(breached), f"of {plural(herd.tables, 'objective')} breached"),
            (_budget_left(herd.bad, herd.allowed), "misses left of the herd's error budget"),
            (
                duration(restore.median) if restore.median is not None else "–",
                f"median time to restore, longest {duration(restore.maximum)}"
                if restore.maximum is not None
                else "median time to restore: no incident ended",
            ),
        ),
    )


def _sentence(recent: Sequence[Slot], good: int, also: str) -> str:
    if not recent:
        return "Nothing was due in the last two days."
    if good == len(recent):
        who = f"All {good:,} tables" if good > 1 else "The only table due"
        return f"{who} delivered in time; {also}."
    missed = Counter(slot.outcome for slot in recent if not slot.outcome.is_good)
    kinds = ", ".join(f"{missed[outcome]:,} {outcome}" for outcome in Outcome if missed[outcome])
    late = f"{len(recent) - good:,} of {plural(len(recent), 'table')} did not deliver in time"
    return f"{late} ({kinds}); {also}."


def _promises(objectives: int, breached: int) -> str:
    if not breached:
        return "all objectives are kept" if objectives else "no table has an objective"
    return f"{plural(breached, 'objective')} {'is' if breached == 1 else 'are'} breached"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} %"


def _budget_left(bad: int, allowed: float) -> str:
    return f"{allowed - bad:,.0f}".replace("-", "−")


def restored(judged: Judged) -> Restore:
    """Time to restore over all incidents of all tables."""
    found = [one for table in judged.tables for one in incidents(judged.slots[table.name])]
    return time_to_restore(found)


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for failures."""

    name: str
    step: str | None
    runs: int
    tables: tuple[str, ...]
    last: float
    example: RunFacts


def causes(failed: Iterable[RunFacts]) -> tuple[Cause, ...]:
    """Failures by cause and step, the most frequent first; `failed` newest first."""
    groups: dict[tuple[str, str | None], list[RunFacts]] = defaultdict(list)
    for run in failed:
        groups[run.cause, run.step].append(run)
    found = [_cause(name, step, runs) for (name, step), runs in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.runs, one.name)))


def _cause(name: str, step: str | None, runs: Sequence[RunFacts]) -> Cause:
    tables = tuple(sorted({run.deployment for run in runs}))
    return Cause(name, step, len(runs), tables, runs[0].due, runs[0])


@dataclass(frozen=True, slots=True)
class TableFailures:
    """A table's failures, and how many of them by cause."""

    deployment: str
    runs: int
    causes: tuple[tuple[str, int], ...]
    last: float


def failures_by_table(failed: Iterable[RunFacts], most: int) -> tuple[TableFailures, ...]:
    """The tables that failed most; `failed` newest first."""
    groups: dict[str, list[RunFacts]] = defaultdict(list)
    for run in failed:
        groups[run.deployment].append(run)
    found = [
        TableFailures(
            name, len(runs), tuple(Counter(run.cause for run in runs).most_common()), runs[0].due
        )
        for name, runs in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.runs, one.deployment))[:most])


_MARGINS = (-24, -8, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 8, 24)
"""Edges in hours before the deadline; negative is after it."""


def margins(slots: Iterable[Slot]) -> tuple[tuple[Column, ...], int]:
    """Published slots by how long before (or after) their deadline; index of the deadline."""
    hours = sorted((slot.deadline - slot.published) / HOUR for slot in slots if slot.published)
    edges = [float("-inf"), *_MARGINS, float("inf")]
    bars = []
    for low, high in pairwise(edges):
        number = bisect_left(hours, high) - bisect_left(hours, low)
        title = _margin_title(low, high, number)
        kind = "late" if high <= 0 else "col"
        told = _short(number) if number else ""
        bars.append(Column(number, None, _edge(low, high), title, kind, told))
    bars.reverse()
    return tuple(bars), len([edge for edge in _MARGINS if edge >= 0])


def _short(number: int) -> str:
    """As short as fits over a column: 41768 -> `42k`."""
    return str(number) if number < 1000 else f"{number / 1000:.{int(number < 9950)}f}k"


def _hours(value: float) -> str:
    return f"{abs(value):g}h" if abs(value) >= 1 else f"{abs(value) * 60:g}m"


def _edge(low: float, high: float) -> str:
    if high <= 0:
        return f"+{_hours(low)}" if low != float("-inf") else f">{_hours(high)}"
    return f"{_hours(low)}" if low else "0"


def _margin_title(low: float, high: float, number: int) -> str:
    when = "late" if high <= 0 else "early"
    near, far = sorted((abs(low), abs(high)))
    span = f"over {_hours(near)}" if far == float("inf") else f"{_hours(near)} to {_hours(far)}"
    return f"{plural(number, 'slot')} published {span} {when}"


@dataclass(frozen=True, slots=True)
class Closeness:
    """How near a table comes to its deadline: p95 of its time to data against what it has."""

    table: Table
    p50: float
    p95: float
    allowed: float

    @property
    def share(self) -> float:
        """Of the allowed time that p95 uses."""
        return self.p95 / self.allowed


def closest(judged: Judged, most: int) -> tuple[Closeness, ...]:
    """Tables whose p95 time to data uses most of the time they have."""
    found = []
    for table in judged.tables:
        times = [
            (took, slot.deadline - slot.time)
            for slot in judged.slots[table.name]
            if (took := slot.time_to_data) is not None and slot.outcome.is_valid
        ]
        if len(times) >= 3 and (p95 := percentile([took for took, _ in times], 95)) is not None:
            p50 = percentile([took for took, _ in times], 50) or 0.0
            found.append(Closeness(table, p50, p95, min(allowed for _, allowed in times)))
    return tuple(sorted(found, key=lambda one: -one.share)[:most])


def regressions(steps: Iterable[TableStep], most: int) -> tuple[TableStep, ...]:
    """Steps at least a fifth slower in the last week than before, by seconds lost."""
    slower = [one for one in steps if one.before and one.recent >= 1.2 * one.before]
    return tuple(sorted(slower, key=lambda one: -one.slower)[:most])


def waits(hours: Sequence[HourWait]) -> tuple[Column, ...]:
    """Queue wait of the 24 hours: p95 with p50 inside."""
    by_hour = {one.hour: one for one in hours}
    return tuple(_wait(hour, by_hour.get(hour)) for hour in range(24))


def _wait(hour: int, one: HourWait | None) -> Column:
    label = f"{hour:02}" if hour % 3 == 0 else ""
    if one is None:
        return Column(0, None, label, "")
    times = f"p50 {duration(one.p50)}, p95 {duration(one.p95)}"
    told = f"{hour:02}:00, {plural(one.runs, 'run')}: {times}"
    return Column(one.p95, one.p50, label, told)


def exclusions(judged: Judged) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """Reason, slots, tables of what is not counted."""
    found: dict[str, list[str]] = defaultdict(list)
    for table in judged.tables:
        for slot in judged.slots[table.name]:
            if slot.outcome is Outcome.EXCLUDED:
                found[slot.reason].append(table.name)
    return tuple(
        (reason, len(names), tuple(sorted(set(names)))) for reason, names in sorted(found.items())
    )


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling: one slot, or neighbouring ones for which nothing ran at all.

    Attributes:
        slots: of one outcome, newest first.
    """

    slots: tuple[Slot, ...]

    @property
    def newest(self) -> Slot:
        """The one to tell of; the only one where something ran."""
        return self.slots[0]


def events(slots: Sequence[Slot]) -> tuple[Event, ...]:
    """All but good and excluded slots (`slots` ascending), newest first."""
    groups = (tuple(group) for _, group in groupby(reversed(slots), key=_one_event))
    return tuple(Event(found) for found in groups if _worth_telling(found[0]))


def _one_event(slot: Slot) -> tuple[Outcome, float | None]:
    """Slots that nothing ran for differ in their time only: a week of them is one line."""
    return slot.outcome, None if slot.run is None else slot.time


def _worth_telling(slot: Slot) -> bool:
    return slot.outcome.is_bad or slot.outcome is Outcome.RETRIED
