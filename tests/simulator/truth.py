"""What we compute, held against what the simulator counted: figure by figure, slot by slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median_low
from typing import Any

from duckherd.history.store import Store
from duckherd.history.tables import Table, read_herd
from duckherd.sla.attainment import attain
from duckherd.sla.model import Slot
from duckherd.sla.schedule import DAY
from duckherd.sla.slots import slots
from duckherd.sla.timing import incidents, time_to_restore
from simulator.world import World

GOOD = frozenset({"good", "retried-then-good"})

Compared = tuple[dict[Any, Any], dict[Any, Any]]
"""Ours and the simulator's, by the same keys."""


@dataclass(frozen=True)
class Judgement:
    """A world, and every table of a cache judged: all slots but the open ones, ascending."""

    world: World
    now: float
    tables: dict[str, Table]
    slots: dict[str, list[Slot]]

    def each(self) -> Iterable[tuple[tuple[str, float], Slot]]:
        """All slots by table and time."""
        return (((s.table, s.time), s) for found in self.slots.values() for s in found)


def judgement(world: World, store: Store) -> Judgement:
    """Judge all that the cache knows."""
    herd = read_herd(store, 0.0)
    tables = {table.name: table for table in herd.tables}
    found = {
        name: slots(table.timeline, herd.runs.get(name, ()), 0.0, herd.now, herd.now)
        for name, table in tables.items()
    }
    judged = {name: [s for s in each if s.outcome != "open"] for name, each in found.items()}
    return Judgement(world, herd.now, tables, judged)


def outcomes(it: Judgement) -> Compared:
    """What became of each slot."""
    ours = {key: str(slot.outcome) for key, slot in it.each()}
    return ours, {(n, due.timestamp()): outcome for (n, due), outcome in it.world.truth.items()}


def deadlines(it: Judgement) -> Compared:
    """When each slot had to be published."""
    return {key: slot.deadline for key, slot in it.each()}, _instants(it.world.deadlines)


def published(it: Judgement) -> Compared:
    """When each slot that was served was published."""
    ours = {key: slot.published for key, slot in it.each() if slot.published is not None}
    return ours, _instants(it.world.published)


def lateness(it: Judgement) -> Compared:
    """Seconds after the deadline, of each slot that was published after it."""
    ours = {key: slot.lateness for key, slot in it.each() if slot.lateness}
    due = it.world.deadlines
    theirs = {
        (name, slot.timestamp()): (moment - due[name, slot]).total_seconds()
        for (name, slot), moment in it.world.published.items()
        if moment > due[name, slot]
    }
    return ours, theirs


def attainment(it: Judgement) -> Compared:
    """Good and valid slots of 28 days, misses left, and whether the promise is broken."""
    targets = {table.name: round(table.target * 2) for table in it.world.tables}
    ours = {}
    for name, table in it.tables.items():
        one = attain(it.slots[name], table.objective, it.now)
        ours[name] = (one.good, one.valid, one.left, one.breached)
    theirs = {}
    by_table = _by_table(it.world)
    for name, halves in targets.items():
        window = [o for due, o in by_table[name] if due.timestamp() >= it.now - 28 * DAY]
        valid = [outcome for outcome in window if outcome != "excluded"]
        good = sum(outcome in GOOD for outcome in valid)
        # Whole misses, in integers: targets are multiples of half a percent.
        left = len(valid) * (200 - halves) // 200 - (len(valid) - good)
        theirs[name] = (good, len(valid), left, 200 * good < halves * len(valid))
    return ours, theirs


def restores(it: Judgement) -> Compared:
    """Of each table: incidents, open ones, median and longest time to restore in seconds."""
    ours = {}
    for name, found in it.slots.items():
        one = time_to_restore(incidents(found))
        ours[name] = (one.incidents, one.open, one.median, one.maximum)
    by_table = _by_table(it.world)
    return ours, {t.name: _restores(it.world, t.name, by_table[t.name]) for t in it.world.tables}


def _restores(world: World, name: str, told: list[tuple[datetime, str]]) -> tuple[Any, ...]:
    durations: list[float] = []
    start = None
    for due, outcome in told:
        moment = world.published.get((name, due))
        if outcome not in GOOD | {"excluded"} and start is None:
            start = world.deadlines[name, due]
        if outcome != "excluded" and moment and start:
            durations.append(max((moment - start).total_seconds(), 0.0))
            start = None
    median, longest = (median_low(durations), max(durations)) if durations else (None, None)
    return len(durations) + bool(start), int(bool(start)), median, longest


def exclusions(it: Judgement) -> Compared:
    """Excluded slots of each table; every one was paused."""
    ours: dict[str, int] = defaultdict(int)
    for (name, _), slot in it.each():
        if slot.outcome == "excluded" and slot.reason == "paused":
            ours[name] += 1
    theirs: dict[str, int] = defaultdict(int)
    for (name, _), outcome in it.world.truth.items():
        if outcome == "excluded":
            theirs[name] += 1
    return dict(ours), dict(theirs)


FIGURES: dict[str, Callable[[Judgement], Compared]] = {
    one.__name__: one
    for one in (outcomes, deadlines, published, lateness, attainment, restores, exclusions)
}
"""Name -> figure."""


def wrong(figure: Callable[[Judgement], Compared], it: Judgement) -> list[Any]:
    """Keys whose values differ, or that only one side has."""
    ours, theirs = figure(it)
    keys = ours.keys() | theirs.keys()
    return [key for key in keys if not _same(ours.get(key), theirs.get(key))]


def differences(it: Judgement) -> dict[str, list[Any]]:
    """Figure -> what is wrong in it; figures that agree are left out."""
    found = {name: wrong(figure, it) for name, figure in FIGURES.items()}
    return {name: keys for name, keys in found.items() if keys}


def _same(one: Any, other: Any) -> bool:
    """Equal; times and durations to the millisecond, as DuckDB counts in microseconds."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-3
    return bool(one == other)


def _by_table(world: World) -> dict[str, list[tuple[datetime, str]]]:
    found: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for (name, due), outcome in sorted(world.truth.items()):
        found[name].append((due, outcome))
    return found


def _instants(moments: dict[tuple[str, datetime], datetime]) -> dict[tuple[str, float], float]:
    return {(n, due.timestamp()): moment.timestamp() for (n, due), moment in moments.items()}
