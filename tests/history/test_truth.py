"""What we compute from a real server equals what the simulator counted, slot by slot."""

from __future__ import annotations

from collections import Counter
from statistics import median_low

import pytest

from duckherd.history.store import Store
from duckherd.history.tables import Herd, read_herd
from duckherd.sla.attainment import attain
from duckherd.sla.model import Slot
from duckherd.sla.schedule import DAY
from duckherd.sla.slots import slots
from duckherd.sla.timing import incidents, time_to_restore
from simulator.fixtures import Simulated

GOOD = {"good", "retried-then-good"}


@pytest.fixture(scope="module")
def herd(simulated: Simulated) -> Herd:
    """Everything the cache knows."""
    with Store(simulated.cache) as store:
        return read_herd(store, 0.0)


@pytest.fixture(scope="module")
def judged(herd: Herd) -> dict[str, list[Slot]]:
    """Slots of every table but the open ones."""
    return {
        table.name: [
            slot
            for slot in slots(
                table.timeline, herd.runs.get(table.name, ()), 0.0, herd.now, herd.now
            )
            if slot.outcome != "open"
        ]
        for table in herd.tables
    }


def test_the_simulation_holds_every_kind_of_fault(simulated):
    """Numbers that agree about nothing would prove nothing."""
    kinds = {"good", "late", "retried-then-good", "failed", "check-failed", "missing", "stale"}
    assert kinds | {"excluded"} == set(simulated.world.counts())
    assert len(simulated.world.truth) > 1000


def test_every_slot_has_the_outcome_it_was_given(simulated, judged):
    """Outcome by outcome, no slot more and none less."""
    ours = {(s.table, s.time): str(s.outcome) for each in judged.values() for s in each}
    theirs = {
        (name, due.timestamp()): outcome for (name, due), outcome in simulated.world.truth.items()
    }
    assert ours == theirs


def test_deadlines_and_publish_times_are_those_of_the_simulator(simulated, judged):
    """So are lateness and time to data, which are differences of these."""

    def instants(moments):
        return {(name, due.timestamp()): t.timestamp() for (name, due), t in moments.items()}

    found = [slot for each in judged.values() for slot in each]
    assert {(s.table, s.time): s.deadline for s in found} == instants(simulated.world.deadlines)
    published = {(s.table, s.time): s.published for s in found if s.published is not None}
    assert published == pytest.approx(instants(simulated.world.published))


def test_attainment_and_budget_are_those_of_the_simulator(simulated, herd, judged):
    """Counted over 28 days with each table's own target."""
    world = simulated.world
    for table, sim in zip(herd.tables, sorted(world.tables, key=lambda t: t.name), strict=True):
        window = [
            outcome
            for (name, due), outcome in world.truth.items()
            if name == table.name
            and due.timestamp() >= herd.now - 28 * DAY
            and outcome != "excluded"
        ]
        good = sum(outcome in GOOD for outcome in window)
        ours = attain(judged[table.name], table.objective, herd.now)
        assert (ours.good, ours.valid) == (good, len(window))
        # Whole misses, in integers: targets are multiples of half a percent.
        allowed = len(window) * (200 - round(sim.target * 2)) // 200
        assert ours.left == allowed - (len(window) - good)
        assert ours.breached == (200 * good < round(sim.target * 2) * len(window))


def test_times_to_restore_are_those_of_the_simulator(simulated, judged):
    """From the first missed deadline to the next publish."""
    world = simulated.world
    for name, each in judged.items():
        durations, start = [], None
        for due in sorted(d for (n, d) in world.truth if n == name):
            outcome, published = world.truth[name, due], world.published.get((name, due))
            if outcome not in GOOD | {"excluded"} and start is None:
                start = world.deadlines[name, due]
            if outcome != "excluded" and published and start:
                durations.append(max((published - start).total_seconds(), 0.0))
                start = None
        ours = time_to_restore(incidents(each))
        assert (ours.incidents, ours.open) == (len(durations) + bool(start), int(bool(start)))
        assert ours.maximum == pytest.approx(max(durations)) if durations else ours.maximum is None
        assert ours.median == pytest.approx(median_low(durations)) if durations else True


def test_exclusions_say_why(judged):
    """Every excluded slot was paused; removed tables end with their removal."""
    reasons = Counter(s.reason for each in judged.values() for s in each if s.outcome == "excluded")
    assert set(reasons) == {"paused"}
