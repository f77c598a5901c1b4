"""Several processes at one table at the same time."""

from __future__ import annotations

import time
from multiprocessing.context import BaseContext

import pyarrow.parquet as pq
import pytest

from lake.children import publisher, rows, writer
from lake.harness import Row, Setup, expected, lake_of, published, run, state_of


def race(children: BaseContext, setup: Setup, tags: list[str], *, together: bool) -> list[str]:
    """Start a run for each tag; gives the tags that committed."""
    start = children.Barrier(len(tags)) if together else None
    results = children.Queue()
    runs = [children.Process(target=publisher, args=(setup, tag, start, results)) for tag in tags]
    for child in runs:
        child.start()
    found = [results.get(timeout=120) for _ in runs]
    for child in runs:
        child.join(60)
    return [tag for tag, outcome in found if outcome == "committed"]


@pytest.mark.parametrize(("mode", "format_"), [("replace", "parquet"), ("replace", "delta")])
def test_of_runs_that_publish_together_exactly_one_commits(
    s3_lake: str, children: BaseContext, mode: str, format_: str
) -> None:
    """All planned on the same version and wait for each other right before the intent."""
    setup = Setup(s3_lake, mode=mode, format=format_)
    for number in range(3):
        winners = race(children, setup, [f"{number} {name}" for name in "abc"], together=True)
        assert len(winners) == 1
        assert published(setup) == expected(rows(winners[0]))
        assert state_of(setup).version == number + 1


def test_of_runs_that_meet_in_a_folder_at_most_one_publishes_at_a_time(
    folder_lake: str, children: BaseContext
) -> None:
    """The lock lets one in; the version counts exactly the commits."""
    setup = Setup(folder_lake)
    commits = 0
    for number in range(4):
        winners = race(children, setup, [f"{number} {name}" for name in "abc"], together=False)
        assert winners
        commits += len(winners)
        assert state_of(setup).version == commits
        assert published(setup) in [expected(rows(tag)) for tag in winners]


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_reader_sees_only_whole_versions(
    kind: str, request: pytest.FixtureRequest, children: BaseContext
) -> None:
    """While versions are published one after the other, each read is one of them, all of it."""
    setup = Setup(request.getfixturevalue("folder_lake" if kind == "folder" else "s3_lake"))
    run(setup, rows("version 0", 100), "first")
    stop = children.Event()
    child = children.Process(target=writer, args=(setup, stop))
    child.start()
    seen = set()
    deadline = time.monotonic() + 60
    try:
        while len(seen) < 8 and time.monotonic() < deadline:
            found = plain_read(setup) if kind == "folder" else published(setup)
            tags = {row[2] for row in found}
            assert len(tags) == 1
            number = int(tags.pop().removeprefix("version "))
            assert len(found) == 100 + 37 * (number % 5)
            seen.add(number)
    finally:
        stop.set()
        child.join(60)
    assert len(seen) >= 2


def plain_read(setup: Setup) -> list[Row]:
    """A reader that only knows the object's path, and opens it once."""
    path = lake_of(setup).store.local("sales/orders.parquet")
    with path.open("rb") as file:
        table = pq.ParquetFile(file).read()
    return expected(tuple(row.values()) for row in table.to_pylist())
