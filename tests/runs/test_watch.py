"""How progress follows from what the server tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from duckherd.runs.model import Run
from duckherd.runs.watch import Progress

START = datetime(2026, 1, 1, tzinfo=UTC)


def run(number: int, state: str = "SCHEDULED", **more) -> Run:
    """A flow run of that number."""
    return Run(str(number), f"run {number}", f"d{number}", state, state.title(), **more)


def progress(*runs: Run) -> Progress:
    """Progress in which these runs were just seen."""
    return Progress(MappingProxyType({each.id: each for each in runs}))


def test_finished_runs_are_told_once_in_the_order_they_ended():
    """A run is in `finished` of exactly one step, the first one to end first."""
    ended = [run(n, "COMPLETED", end=START + timedelta(seconds=9 - n)) for n in (1, 2)]
    first = progress(run(1), run(2), run(3)).updated(ended)
    assert [each.id for each in first.finished] == ["2", "1"]
    assert first.open == ("3",)
    assert first.updated([]).finished == ()


def test_a_run_the_server_does_not_tell_waits_again():
    """A running run that is no longer told waits for its retry; one that is over stays over."""
    before = progress(run(1, "RUNNING", start=START), run(2, "FAILED"))
    after = before.updated([])
    assert after.runs["1"].outcome == "queued"
    assert after.runs["2"].outcome == "failed"


def test_the_longest_running_come_first():
    """Running tables are ordered by their start."""
    now = progress(
        run(1, "RUNNING", start=START + timedelta(seconds=5)), run(2, "RUNNING", start=START)
    )
    assert [each.id for each in now.running] == ["2", "1"]
    assert now.counts == {"running": 2}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Flow run encountered an exception: SourceDenied: no\n  hint: ask", "SourceDenied: no"),
        ("  two\n lines", "two"),
        (None, "Crashed"),
    ],
)
def test_reason_is_one_line(message, told):
    """Of Prefect's message the first line is told, without what it puts before it."""
    assert run(1, "CRASHED", message=message).reason == told


def test_outcomes():
    """Each of Prefect's states is one word; a late run is not merely queued."""
    assert run(1, "COMPLETED").outcome == "ok"
    assert replace(run(1), state_name="Late").outcome == "late"
    assert run(1, "CANCELLING").outcome == "running"
    assert run(1, "COMPLETED").reason == ""
