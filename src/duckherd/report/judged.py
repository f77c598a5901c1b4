"""The herd judged: every table's slots, in the window a command asks about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from duckherd.history.tables import Herd, Table
from duckherd.sla.attainment import Attainment, GroupBudget, attain, group_budget
from duckherd.sla.model import Outcome, Run, Slot
from duckherd.sla.schedule import DAY, Instant
from duckherd.sla.slots import next_deadline, slots

LOOKBACKS = (DAY, 7 * DAY)
"""Seconds over which burn rates are told."""


@dataclass(frozen=True)
class Judged:
    """Tables with their slots scheduled in [start, now].

    Attributes:
        window: seconds that override each objective's own window; None keeps them.
    """

    herd: Herd
    start: Instant
    tables: tuple[Table, ...]
    slots: Mapping[str, tuple[Slot, ...]]
    window: float | None = None

    @property
    def now(self) -> Instant:
        """The moment everything is judged at."""
        return self.herd.now

    def only(self, tables: Sequence[Table]) -> Judged:
        """The same for some tables."""
        return replace(self, tables=tuple(tables))

    def runs(self, table: Table) -> Sequence[Run]:
        """The table's runs."""
        return self.herd.runs.get(table.name, ())

    @cached_property
    def attainments(self) -> Mapping[str, Attainment]:
        """Table name -> how its objective is kept."""
        return self._over(self.window)

    @cached_property
    def lately(self) -> Mapping[float, Mapping[str, Attainment]]:
        """Lookback in seconds -> the same over it."""
        return {span: self._over(span) for span in LOOKBACKS}

    def _over(self, window: float | None) -> Mapping[str, Attainment]:
        return {
            table.name: attain(self.slots[table.name], table.objective, self.now, window)
            for table in self.tables
        }

    def group(self, name: str, tables: Sequence[Table]) -> GroupBudget:
        """The error budget of a group; tables without an objective are not in it."""
        names = [table.name for table in tables if table.objective is not None]
        lately = [(span, [found[n] for n in names]) for span, found in self.lately.items()]
        return group_budget(name, [self.attainments[n] for n in names], lately)

    def groups(self, kind: str) -> tuple[GroupBudget, ...]:
        """Budgets by `owner` or `tag`, the most spent first."""
        members: dict[str, list[Table]] = {}
        for table in self.tables:
            for name in _group_names(table, kind):
                members.setdefault(name, []).append(table)
        found = [self.group(name, each) for name, each in members.items()]
        return tuple(sorted(found, key=lambda one: (-(one.spent or 0.0), one.name)))


def _group_names(table: Table, kind: str) -> Collection[str]:
    if kind == "owner":
        return (table.owner or "(nobody)",)
    return [tag for tag in table.tags if not tag.startswith("owner:")] or ("(no tag)",)


def judge(herd: Herd, start: Instant, window: float | None = None) -> Judged:
    """Judge every table that still exists or had a slot since `start`."""
    since = max(start, herd.known_since)
    found = {
        table.name: slots(
            table.timeline, herd.runs.get(table.name, ()), since, herd.now + 1, herd.now
        )
        for table in herd.tables
    }
    tables = tuple(table for table in herd.tables if found[table.name] or not table.deleted)
    return Judged(herd, since, tables, found, window)


def lookups(judged: Judged) -> Mapping[str, Callable[[Table], Collection[str]]]:
    """What the selection language asks of history: `result:`, `check:`, `objective:`."""
    return {
        "result": lambda table: result_of(judged.slots[table.name]),
        "check": lambda table: _checks(judged.slots[table.name]),
        "objective": lambda table: ["breached"] if judged.attainments[table.name].breached else [],
    }


_RESULTS = {
    Outcome.GOOD: "ok",
    Outcome.RETRIED: "ok",
    Outcome.FAILED: "failed",
    Outcome.CHECK_FAILED: "failed",
    Outcome.STALE: "late",
    Outcome.LATE: "late",
    Outcome.MISSING: "missing",
}


def last_judged(found: Sequence[Slot]) -> Slot | None:
    """The newest slot that counts; None without one."""
    return next((slot for slot in reversed(found) if slot.outcome.is_valid), None)


def result_of(found: Sequence[Slot]) -> Collection[str]:
    """How the newest slot that counts went, in the words of `result:`; nothing without one."""
    slot = last_judged(found)
    return [_RESULTS[slot.outcome]] if slot else []


def _checks(found: Sequence[Slot]) -> Collection[str]:
    slot = last_judged(found)
    return ["failed"] if slot and slot.outcome is Outcome.CHECK_FAILED else []


@dataclass(frozen=True, slots=True)
class Risk:
    """How near an objective is to being broken.

    Attributes:
        left: misses left of its budget, negative when overspent.
        deadline: of its open slot, else of its next one; None without a schedule.
        failing: the open slot has failed attempts and no publish yet.
    """

    table: Table
    attainment: Attainment
    left: int
    deadline: Instant | None
    failing: bool

    @property
    def order(self) -> tuple[bool, int, bool, Instant]:
        """Sorts what breaks next to the front; what is already broken comes last."""
        return (
            self.attainment.breached,
            max(self.left, 0),
            not self.failing,
            self.deadline if self.deadline is not None else float("inf"),
        )


def risk(judged: Judged, table: Table) -> Risk:
    """Of one table with an objective."""
    attainment = judged.attainments[table.name]
    open_slot = next(
        (slot for slot in judged.slots[table.name] if slot.outcome is Outcome.OPEN), None
    )
    deadline = open_slot.deadline if open_slot else _next_deadline(table, judged.now)
    failing = open_slot is not None and open_slot.attempts > 0
    return Risk(table, attainment, attainment.left, deadline, failing)


def _next_deadline(table: Table, now: Instant) -> Instant | None:
    return None if table.deleted or table.paused else next_deadline(table.timeline.current, now)
