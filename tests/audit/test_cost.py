"""The figures of a monolith, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from duckherd.audit.cost import MonolithRun, TaskRun, cost

START = datetime(2026, 1, 1, 2, tzinfo=UTC)


def run(day: int, outcome: str, *, minutes: int = 10) -> MonolithRun:
    """A run of one-minute tasks, one after the other; `outcome` has a letter for each."""
    start = START + timedelta(days=day)
    tasks = tuple(
        TaskRun(letter == "g", start + timedelta(minutes=number), 60.0)
        for number, letter in enumerate(outcome)
    )
    return MonolithRun("b" not in outcome, start, start + timedelta(minutes=minutes), tasks)


def test_one_bad_table_throws_the_good_ones_away():
    """A red run costs the time of all that went well in it, and lateness until the next green."""
    found = cost([run(0, "g" * 20), run(1, "g" * 19 + "b"), run(2, "g" * 20)])
    assert (found.runs, found.red, found.red_by_few) == (3, 1, 1)
    assert found.tasks == 20
    assert found.worked == 60 * 60
    assert found.thrown_away == 19 * 60
    assert found.late == timedelta(days=1).total_seconds()
    assert found.waited == 9.5 * 60


def test_many_bad_tables_are_not_few():
    """A run in which more than a tenth failed is red for a reason of its own."""
    assert cost([run(0, "g" * 8 + "b" * 2)]).red_by_few == 0


def test_late_counts_a_stretch_of_red_once():
    """Two red runs in a row are one delay, from the first one's end."""
    found = cost([run(0, "gb"), run(1, "gb"), run(2, "gg")])
    assert found.late == timedelta(days=2).total_seconds()


def test_late_is_unknown_while_red():
    """While the last run is red nobody knows how late its data get."""
    assert cost([run(0, "gg"), run(1, "gb")]).late is None


def test_runs_without_tasks_wait_for_nothing():
    """A run that failed before its first task has no waiting time."""
    found = cost([run(0, "")])
    assert (found.tasks, found.waited, found.worked) == (0, None, 0)


def test_no_runs_have_no_cost():
    """A flow without runs is not judged."""
    with pytest.raises(ValueError, match="without runs"):
        cost([])
