from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from duckherd.lake.model import TableState
from duckherd.lake.plan import outcome, stamped
from lake.harness import Setup, publication


def test_the_state_keeps_bounded_lists_newest_first(tmp_path: Path) -> None:
    """A hundred loads, twenty flow runs and twenty schema changes are kept."""
    found = publication(tmp_path, [], "run", Setup("x"), schema_change=("a", "b"))
    state = TableState(table="sales.orders")
    for number in range(105):
        found = replace(found, flow_run=f"run {number}", rows=number)
        state = stamped(outcome(state, found, ()), f"2026-01-01T00:00:{number:03}")
    assert (state.version, len(state.history), len(state.committed)) == (105, 100, 20)
    assert (state.history[0].rows, state.history[0].published_at) == (104, state.published_at)
    assert state.committed[0] == "run 104"
    assert len(state.schema_changes) == 20
    assert state.schema_changes[0] == "2026-01-02: a"


def test_a_backfill_moves_neither_watermark_nor_freshness(tmp_path: Path) -> None:
    """Reading an old range again says nothing about newer rows."""
    setup = Setup("x", mode="append")
    first = publication(tmp_path, [], "one", setup, watermark="10", slice=(None, "10"))
    state = outcome(TableState(table="sales.orders"), first, ())
    again = replace(first, watermark="5", backfill=True, read_at="2027-01-01T00:00:00+00:00")
    after = outcome(state, again, ())
    assert (after.watermark, after.data_until) == ("10", state.data_until)


def test_replace_forgets_the_watermark(tmp_path: Path) -> None:
    """A table published whole has no watermark: the next append reads from the beginning."""
    state = TableState(table="sales.orders", version=1, mode="append", watermark="10")
    found = publication(tmp_path, [], "one", Setup("x"), watermark="12")
    assert outcome(state, found, ()).watermark is None
    assert not outcome(state, found, ()).continues("append", "parquet")
