"""Bounds from a table's own history."""

from __future__ import annotations

import pytest

from duckherd.checks.anomaly import WINDOW, bounds
from duckherd.checks.options import Anomaly

HISTORY = [100, 102, 98, 101, 99, 100, 103]


def test_median_and_its_deviation() -> None:
    """Median 100, median absolute deviation 1: three deviations are 3 x 1.4826."""
    found = bounds(HISTORY, Anomaly(deviations=3))
    assert found is not None
    assert (found.least, found.most) == pytest.approx((100 - 4.4478, 100 + 4.4478))
    assert found.text == "95.5522 to 104.448 (mad: median ± 3 deviations over 7 loads)"


def test_one_odd_load_does_not_move_the_median() -> None:
    """A load of a hundred times as many rows leaves the bounds where they were."""
    found = bounds([*HISTORY[:-1], 10_000], Anomaly(deviations=3))
    assert found is not None
    assert found.most < 110


def test_zscore() -> None:
    """Mean and sample standard deviation."""
    found = bounds([1, 2, 3, 4, 5, 6, 7], Anomaly(deviations=2, method="zscore"))
    assert found is not None
    assert (found.least, found.most) == pytest.approx((4 - 2 * 2.1602469, 4 + 2 * 2.1602469))


def test_mostly_constant_history() -> None:
    """Where the median deviation is zero, the mean absolute deviation stands in."""
    found = bounds([100, 100, 100, 100, 100, 100, 170], Anomaly(deviations=1))
    assert found is not None
    assert found.most == pytest.approx(100 + 1.2533 * 10)


def test_constant_history_allows_one_percent() -> None:
    """A table that never changed does not alarm at its first new row."""
    found = bounds([1000] * 7, Anomaly(deviations=3))
    assert found is not None
    assert (found.least, found.most) == (970, 1030)


def test_silent_below_the_minimum() -> None:
    """Too little history gives no bounds."""
    assert bounds(HISTORY[:6], Anomaly(deviations=3)) is None
    assert bounds(HISTORY[:3], Anomaly(deviations=3, min_history=3)) is not None


def test_only_the_latest_loads_count() -> None:
    """Old loads are forgotten."""
    found = bounds([100] * WINDOW + [10**9] * 100, Anomaly(deviations=3, method="zscore"))
    assert found is not None
    assert found.most == pytest.approx(103)
