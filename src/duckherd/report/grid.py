"""View of the grid: tables by days, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from duckherd.history.tables import Table
from duckherd.report.judged import Judged
from duckherd.report.svg import Cell
from duckherd.sla.attainment import Attainment
from duckherd.sla.model import Outcome, Slot
from duckherd.sla.schedule import utc

_EPOCH = date(2020, 1, 1).toordinal()
_WORST = list(Outcome)
"""Outcomes from worst to best, as `Outcome` declares them."""
_WEIGHT = {
    Outcome.FAILED: 5,
    Outcome.CHECK_FAILED: 5,
    Outcome.MISSING: 5,
    Outcome.STALE: 3,
    Outcome.LATE: 2,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One table of the grid.

    Attributes:
        id: anchor of its page.
        cells: a cell a day, oldest first; weekday: of the first, Monday is 0.
        score: how bad its recent days were; larger is worse.
        state: `breached`, `at risk`, `kept` or `none`.
        words: `3 failed, 1 late`.
    """

    id: str
    table: Table
    attainment: Attainment
    state: str
    cells: tuple[Cell, ...]
    weekday: int
    score: float
    words: str

    @property
    def plain_tags(self) -> str:
        """Its tags without `owner:` and the like, separated by spaces."""
        return " ".join(tag for tag in self.table.tags if ":" not in tag)

    def day(self, day: int) -> str:
        """Id of what happened on a day (an ordinal)."""
        return day_anchor(self.id, day)


def anchor(position: int) -> str:
    """Id of the page of the table at that place in the alphabet."""
    return f"t{position}"


def day_anchor(page: str, day: int) -> str:
    """Id, on a table's page, of what happened on a day (an ordinal)."""
    return f"{page}-{day - _EPOCH}"


def days_of(judged: Judged, days: int) -> tuple[int, int]:
    """First and last day (ordinals) of the grid."""
    last = utc(judged.now).astimezone().toordinal()
    return last - days + 1, last


def rows(judged: Judged, days: int, link: str = "#") -> tuple[Row, ...]:
    """Rows, the worst first. `link` is what a cell's address begins with."""
    first, last = days_of(judged, days)
    found = [
        _row(judged, table, anchor(position), first, last, link)
        for position, table in enumerate(sorted(judged.tables, key=lambda each: each.name))
    ]
    return tuple(sorted(found, key=lambda row: (-row.score, row.table.name)))


def _row(judged: Judged, table: Table, page: str, first: int, last: int, link: str) -> Row:
    slots = [slot for slot in judged.slots[table.name] if first <= slot.day <= last]
    attainment = judged.attainments[table.name]
    return Row(
        id=page,
        table=table,
        attainment=attainment,
        state=state_of(table, attainment),
        cells=_cells(slots, first, last, page, link),
        weekday=date.fromordinal(first).weekday(),
        score=_score(slots, last, attainment),
        words=_words(slots),
    )


def state_of(table: Table, attainment: Attainment) -> str:
    """How its objective stands."""
    if table.objective is None:
        return "none"
    if attainment.breached:
        return "breached"
    return "at risk" if attainment.left <= 0 and attainment.bad else "kept"


def _cells(slots: Sequence[Slot], first: int, last: int, page: str, link: str) -> tuple[Cell, ...]:
    cells = [_EMPTY] * (last - first + 1)
    for slot in slots:
        index = slot.day - first
        there = cells[index].outcome
        if there is None or _WORST.index(slot.outcome) < _WORST.index(there):
            cells[index] = _cell(slot.outcome, slot.day, page, link)
    return tuple(cells)


_EMPTY = Cell(None)
_GOOD = Cell(Outcome.GOOD)


def _cell(outcome: Outcome, day: int, page: str, link: str) -> Cell:
    if outcome is Outcome.GOOD:
        return _GOOD
    href = f"{link}{day_anchor(page, day)}" if outcome.is_valid else None
    return Cell(outcome, f"{_date(day)}: {outcome}", href)


@lru_cache(maxsize=1024)
def _date(day: int) -> str:
    return f"{date.fromordinal(day):%a %d %b}"


def _score(slots: Sequence[Slot], last: int, attainment: Attainment) -> float:
    """Misses weigh by kind and by age: half after a week. A breach outweighs any of them."""
    missed = sum(
        _WEIGHT[slot.outcome] * float(0.5 ** ((last - slot.day) / 7))
        for slot in slots
        if slot.outcome in _WEIGHT
    )
    return missed + (100 if attainment.breached else 0)


def _words(slots: Sequence[Slot]) -> str:
    counts = dict.fromkeys(_WORST, 0)
    for slot in slots:
        counts[slot.outcome] += 1
    told = [f"{counts[outcome]} {outcome}" for outcome in _WORST if counts[outcome]]
    return ", ".join(told) or "nothing due"


def ticks(first: int, last: int) -> list[tuple[int, str]]:
    """Mondays of every second week, as (day index, text)."""
    start = date.fromordinal(first)
    monday = start + timedelta(days=-start.weekday() % 7)
    days = range(monday.toordinal() - first, last - first - 3, 14)
    return [(day, f"{date.fromordinal(first + day):%d %b}") for day in days]
