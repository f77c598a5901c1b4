"""Parts of a table: they cover everything once, and one failure stops all."""

from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.extract.postgres_slices import Page, by_bytes
from duckherd.extract.slices import (
    SMALLEST,
    Reader,
    even_bounds,
    read_side_by_side,
    slice_count,
)


@given(st.integers(1, 10**7), st.integers(1, 200))
def test_even_bounds_cover_the_range_without_gap(end: int, count: int) -> None:
    """Each part starts where the one before ends; the last is open."""
    found = even_bounds(end, count)
    assert found[0][0] == 0
    assert found[-1][1] is None
    assert all(left[1] == right[0] for left, right in itertools.pairwise(found))
    assert len(found) <= count


def test_small_tables_are_one_part_and_big_ones_fit_the_target() -> None:
    """A part is never smaller than worth a query, nor bigger than asked for."""
    assert slice_count(SMALLEST, 256 << 20, 4) == 1
    assert slice_count(4 << 30, 256 << 20, 2) == 16
    assert slice_count(100 << 20, 256 << 20, 8) == 3


def position(text: str) -> tuple[int, int]:
    """`(1,2)` as a pair of numbers."""
    page, line = text.split("(")[1].split(")", maxsplit=1)[0].split(",")
    return int(page), int(line)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 10**8)), min_size=1, max_size=30))
def test_parts_by_bytes_cover_every_position_once(sizes: list[tuple[int, int]]) -> None:
    """Cuts rise, and each part begins where the one before ends."""
    pages = [Page(number * 3, rows, rows + 5, size) for number, (rows, size) in enumerate(sizes)]
    conditions = by_bytes(pages, 1_000_000)
    edges = []
    for condition in conditions:
        parts = (condition or "").split(" AND ")
        start = next((position(p) for p in parts if ">=" in p), None)
        end = next((position(p) for p in parts if "<" in p and ">=" not in p), None)
        edges.append((start, end))
    assert edges[0][0] is None
    assert edges[-1][1] is None
    for (_, end), (start, _) in itertools.pairwise(edges):
        assert end == start
    cuts = [start for start, _ in edges[1:] if start is not None]
    assert cuts == sorted(set(cuts))


def test_results_come_in_the_order_of_the_slices() -> None:
    """Whichever reader was faster."""
    readers = [Reader(lambda n: n * n, lambda: None) for _ in range(3)]
    assert read_side_by_side(range(50), readers) == [n * n for n in range(50)]


def test_the_first_error_stops_every_reader() -> None:
    """A reader in the middle of a slice is interrupted, and the error is raised."""
    stopped = threading.Event()

    def wait(_: int) -> int:
        assert stopped.wait(30)
        raise RuntimeError("interrupted")

    def fail(_: int) -> int:
        raise ValueError("first")

    readers = [Reader(wait, stopped.set), Reader(fail, lambda: None)]
    with pytest.raises((ValueError, RuntimeError), match="first"):
        read_side_by_side(range(2), readers)
