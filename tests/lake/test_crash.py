"""Runs that are killed at any moment, and run again."""

from __future__ import annotations

import signal
from multiprocessing.context import BaseContext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake.harness import Row, Setup, expected, killed_run, published, run, state_of

STEPS = 7
"""stage, intent, object (at most three where a slice is cut in two), data, commit, cleanup."""

MODES = [
    ("replace", "parquet"),
    ("append", "parquet"),
    ("replace", "delta"),
    ("append", "delta"),
    ("merge", "delta"),
]


def changed(source: list[Row], number: int, mode: str) -> list[Row]:
    """The source some time later: new rows always; changes and deletes where the mode sees them."""
    newest = max((row[1] for row in source), default=0)
    new = [(number * 100 + n, newest + 1 + n // 2, f"round {number}") for n in range(5)]
    if mode == "append":
        # A late row, within the lookback.
        return [*source, *new, (number * 100 + 50, max(0, newest - 1), f"late {number}")]
    kept = [row for row in source if row[0] % 7 != number]
    touched = {row[0] for row in kept[:3]} if mode == "merge" else {row[0] for row in kept[::2]}
    return [
        (i, newest + 4 if i in touched else c, f"{t}!" if i in touched else t) for i, c, t in kept
    ] + new


def kill(
    children: BaseContext,
    setup: Setup,
    source: list[Row],
    flow_run: str,
    step: int | None,
    delay: float | None,
) -> bool:
    """Run in a process that is killed; True where it was killed before its end."""
    child = children.Process(target=killed_run, args=(setup, source, flow_run, step, delay))
    child.start()
    child.join(120)
    assert child.exitcode in (0, -signal.SIGKILL), child.exitcode
    return child.exitcode != 0


def crash_and_recover(
    children: BaseContext, setup: Setup, crashes: list[tuple[int | None, float | None]]
) -> None:
    """Each round the source changes, a run is killed, a reader looks, then a run finishes.

    In odd rounds that is another run, in even ones the same once more.
    """
    source: list[Row] = [(n, n, "first") for n in range(20)]
    run(setup, source, "first")
    for number, (step, delay) in enumerate(crashes, start=1):
        before = source
        source = changed(source, number, setup.mode)
        name = f"killed {number}"
        kill(children, setup, source, name, step, delay)
        assert published(setup) in (expected(before), expected(source))
        done = run(setup, source, f"after {number}" if number % 2 else name)
        assert published(setup) == expected(source)
        assert state_of(setup).pending is None
        assert done.state.rows == len(source)


@pytest.mark.parametrize(("mode", "format_"), MODES)
def test_a_run_killed_after_any_step_is_made_good_by_the_next(
    folder_lake: str, children: BaseContext, mode: str, format_: str
) -> None:
    """At every step: readers see a whole version, and the next run equals the source."""
    setup = Setup(folder_lake, mode=mode, format=format_, lookback=3, deletes=mode == "merge")
    crash_and_recover(children, setup, [(step, None) for step in range(1, STEPS + 1)])


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(MODES),
    st.lists(
        st.tuples(st.none(), st.floats(0, 0.06)) | st.tuples(st.integers(1, STEPS), st.none()),
        min_size=1,
        max_size=4,
    ),
)
def test_a_run_killed_at_any_moment_is_made_good_by_the_next(
    tmp_path_factory: pytest.TempPathFactory,
    children: BaseContext,
    mode: tuple[str, str],
    crashes: list[tuple[int | None, float | None]],
) -> None:
    """At random moments of the clock too, and several crashes one behind the other."""
    setup = Setup(
        str(tmp_path_factory.mktemp("lake")),
        mode=mode[0],
        format=mode[1],
        lookback=3,
        deletes=mode[0] == "merge",
    )
    crash_and_recover(children, setup, crashes)


@pytest.mark.parametrize(("mode", "format_"), [MODES[0], MODES[1], MODES[4]])
def test_a_run_killed_while_publishing_to_a_bucket_is_made_good(
    s3_lake: str, children: BaseContext, mode: str, format_: str
) -> None:
    """The same in a bucket, where nothing is locked."""
    setup = Setup(s3_lake, mode=mode, format=format_, lookback=3, deletes=mode == "merge")
    crash_and_recover(children, setup, [(step, None) for step in (2, 3, 4, 5)])


def test_crashes_one_behind_the_other_are_made_good(
    folder_lake: str, children: BaseContext
) -> None:
    """Runs that die while they settle what another left are settled in turn."""
    setup = Setup(folder_lake, mode="append", lookback=3)
    source: list[Row] = [(n, n, "first") for n in range(20)]
    run(setup, source, "first")
    for step in range(1, STEPS + 1):
        source = changed(source, step, "append")
        kill(children, setup, source, f"killed {step}", step, None)
    run(setup, source, "last")
    assert published(setup) == expected(source)


def test_left_over_files_are_gone_after_the_next_publish(
    folder_lake: str, children: BaseContext, tmp_path
) -> None:
    """What a killed run staged or no longer needs does not stay."""
    setup = Setup(folder_lake, mode="append", lookback=3)
    source: list[Row] = [(n, n, "first") for n in range(20)]
    run(setup, source, "first")
    for step in (1, 3, 5):
        source = changed(source, step, "append")
        kill(children, setup, source, f"killed {step}", step, None)
        run(setup, source, f"after {step}")
    found = {
        str(path.relative_to(folder_lake))
        for path in (tmp_path / "lake").rglob("*")
        if path.is_file()
    }
    objects = {item.path for item in state_of(setup).objects}
    assert found == objects | {"_duckherd/sales.orders.json", "_duckherd/sales.orders.lock"}
