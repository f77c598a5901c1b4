from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.errors import LakeError
from duckherd.lake.model import LakeObject
from duckherd.lake.slices import Interval, sorted_apart

VALUES = range(-1, 12)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Any interval over a few integers."""
    bound = st.none() | st.integers(0, 10)
    lower, upper = draw(bound), draw(bound)
    if lower is not None and upper is not None and upper < lower:
        lower, upper = upper, lower
    bounds = draw(st.sampled_from(["(]", "[]", "()", "[)"]))
    return Interval(*(None if b is None else str(b) for b in (lower, upper)), bounds)


def inside(interval: Interval, value: float) -> bool:
    """By the definition of an interval, without cuts."""
    low = interval.lower is None or (
        value >= float(interval.lower)
        if interval.bounds[0] == "["
        else value > float(interval.lower)
    )
    high = interval.upper is None or (
        value <= float(interval.upper)
        if interval.bounds[1] == "]"
        else value < float(interval.upper)
    )
    return low and high


# Halves stand for the values between two integers.
POINTS = [half / 2 for half in range(-2, 24)]


@given(intervals(), intervals())
def test_intervals_agree_with_their_definition(a: Interval, b: Interval) -> None:
    """Overlap, cover, emptiness and remainder are those of the sets of values."""
    ours, theirs = ({p for p in POINTS if inside(i, p)} for i in (a, b))
    assert a.is_empty == (not ours)
    assert a.overlaps(b) == bool(ours & theirs)
    if theirs:
        assert a.covers(b) == (theirs <= ours)
    if ours & theirs:
        rest = a.without(b)
        parts = [{p for p in POINTS if inside(part, p)} for part in rest]
        assert set().union(*parts) == ours - theirs
        assert sum(map(len, parts)) == len(ours - theirs)


@given(intervals(), intervals())
def test_different_slices_have_different_names(a: Interval, b: Interval) -> None:
    """A slice's name tells its interval."""
    ends = [(i.lower, i.upper, i.lower and i.bounds[0], i.upper and i.bounds[1]) for i in (a, b)]
    assert (a.name == b.name) == (ends[0] == ends[1])


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("9", "10"),
        ("-3", "-2.5"),
        ("2026-01-02", "2026-01-02 00:00:00.1"),
        ("2026-01-02 10:00:00+02", "2026-01-02T09:00:00Z"),
        ("2026-01-02 10:00:00.1234567", "2026-01-02 10:00:00.1234568"),
        ("9999-12-31 23:59:59", "infinity"),
        ("-infinity", "0001-01-01"),
        ("0x00000000000007D1", "0x00000000000007d2"),
        ("A", "B"),
    ],
)
def test_bounds_are_compared_as_what_they_are(low: str, high: str) -> None:
    """Numbers, timestamps with and without zone, and binary counters have their own order."""
    assert Interval(None, low).covers(Interval(None, low))
    assert not Interval(low, high).is_empty
    assert Interval(high, low).is_empty


def test_a_cursor_that_changed_its_type_is_an_error() -> None:
    """A number cannot be placed among timestamps."""
    old = LakeObject("a", 1, 1, slice=("2026-01-01", "2026-01-02"))
    with pytest.raises(LakeError, match="changed its type"):
        sorted_apart([old], Interval("5", "6"))


def test_long_bounds_make_bounded_names() -> None:
    """A text cursor's bound may be longer than a file name."""
    one, two = Interval("a" * 500, "b"), Interval("a" * 501, "b")
    assert len(one.name) <= 200
    assert one.name != two.name


def test_names_tell_the_interval() -> None:
    """People can read what a slice holds."""
    assert Interval(None, "10").name == "start__to-10"
    assert Interval("10", "20").name == "after-10__to-20"
    assert Interval("10", "20", "[)").name == "from-10__before-20"
    assert Interval("2026-01-02 03:04:05", None).name == "after-2026-01-02T03!3a04!3a05__end"
