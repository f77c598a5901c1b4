"""Budgets counted by hand."""

from __future__ import annotations

import pytest

from duckherd.sla.attainment import Attainment, attain, budget, group_budget
from duckherd.sla.model import Outcome, Slot
from duckherd.sla.objective import Objective
from duckherd.sla.schedule import DAY


def slots(outcomes: str) -> list[Slot]:
    """A slot a day ending at day 0: g good, f failed, x excluded, o open."""
    names = {"g": Outcome.GOOD, "f": Outcome.FAILED, "x": Outcome.EXCLUDED, "o": Outcome.OPEN}
    start = -len(outcomes) * DAY
    return [
        Slot("erp.sales.orders", start + i * DAY, start + i * DAY + 3600, i, names[letter])
        for i, letter in enumerate(outcomes)
    ]


def test_attainment_counts_valid_slots_only():
    """28 days, 2 misses, 1 paused, 1 open: 24 of 26."""
    one = attain(slots("g" * 20 + "ff" + "gggg" + "xo"), Objective(target=90), 0.0)
    assert (one.good, one.valid, one.bad) == (24, 26, 2)
    assert one.percent == pytest.approx(92.307, abs=0.001)
    # 10 % of 26 is 2.6 misses: two whole ones, both spent, none left and not yet breached.
    assert (one.allowed, one.left, one.breached) == (2, 0, False)


def test_a_third_miss_breaches():
    """The budget is whole misses: 2.6 allows two."""
    one = attain(slots("g" * 23 + "fff"), Objective(target=90), 0.0)
    assert (one.allowed, one.left, one.breached) == (2, -1, True)


def test_a_budget_spent_to_the_last_miss_is_kept():
    """99.9 % of 1000 slots allows exactly one miss, in decimals and not in floats."""
    assert budget(99.9, 1000) == 1
    assert not Attainment(999, 1000, 99.9).breached
    assert Attainment(998, 1000, 99.9).breached
    assert Attainment(999, 1000, 99.9).left == 0


def test_99_percent_of_28_nights_allows_no_miss():
    """Told in whole misses, the budget of a nightly table at 99 % is none."""
    one = attain(slots("g" * 27 + "f"), Objective(target=99), 0.0)
    assert (one.allowed, one.left, one.breached) == (0, -1, True)


def test_only_the_window_counts():
    """Misses older than the window are forgotten; a given window overrides the objective's."""
    history = slots("fff" + "g" * 7)
    assert attain(history, Objective(window="7d"), 0.0).bad == 0
    assert attain(history, Objective(window="7d"), 0.0, window=10 * DAY).bad == 3


def test_a_table_without_objective_is_measured_but_never_breached():
    """No promise, no breach."""
    one = attain(slots("fg"), None, 0.0)
    assert (one.percent, one.target, one.breached) == (50.0, None, False)


def test_no_valid_slot_is_no_percentage():
    """Nothing counted: neither 0 nor 100 percent."""
    assert attain(slots("xx"), Objective(), 0.0).percent is None


def test_a_groups_budget_adds_up_its_tables_budgets():
    """A at 90 % and B at 80 % over 10 slots each allow 1 + 2 misses; 1 + 1 happened."""
    members = [
        (slots("gggggggggf"), Objective(target=90)),
        (slots("fggggggggg"), Objective(target=80)),
    ]

    def over(span):
        return [attain(found, objective, 0.0, span) for found, objective in members]

    lately = [(span, over(span)) for span in (DAY, 5 * DAY)]
    group = group_budget("tag:erp", over(10 * DAY), lately)
    assert (group.tables, group.breached, group.bad, group.valid) == (2, 0, 2, 20)
    assert group.allowed == pytest.approx(3.0)
    assert group.spent == pytest.approx(2 / 3)
    # Last day: 1 miss of 2 slots; 0.1 + 0.2 allowed. Last five: 1 miss; 0.5 + 1.0 allowed.
    assert group.burn[0][1] == pytest.approx(1 / 0.3)
    assert group.burn[1][1] == pytest.approx(1 / 1.5)


def test_a_group_that_may_not_miss_has_no_burn_rate():
    """Target 100 % allows nothing: the rate is undefined, not infinite."""
    one = [attain(slots("gf"), Objective(target=100), 0.0)]
    group = group_budget("herd", one, [(DAY, one)])
    assert group.spent is None
    assert group.burn == ((DAY, None),)
    assert group.breached == 1
