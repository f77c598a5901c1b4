"""Bounds of a window: lookback, ties, NULLs, nothing new."""

from __future__ import annotations

import pytest

from duckherd.errors import ParameterError
from duckherd.extract.model import Window
from duckherd.extract.projection import literal
from duckherd.extract.window import before, bounds


@pytest.mark.parametrize(
    ("bound", "lookback", "expected"),
    [
        ("1000", "10", "990"),
        ("-5", "10", "-15"),
        ("2024-03-01", "1h", "2024-02-29"),
        ("2024-03-01", "1d", "2024-02-29"),
        ("2024-03-01 00:00:00", "1h30m", "2024-02-29 22:30:00"),
        ("2024-03-01T00:00:00.5", "1s", "2024-02-29T23:59:59.500000"),
        ("2024-03-01 00:00:00+00", "1s", "2024-02-29 23:59:59+00:00"),
        ("0001-01-01 00:00:00", "1d", "0001-01-01 00:00:00"),
    ],
)
def test_a_bound_moves_back_in_its_own_form(bound: str, lookback: str, expected: str) -> None:
    """A number by numbers, a moment by a duration, a date by whole days."""
    assert before(bound, lookback) == expected


@pytest.mark.parametrize(("bound", "lookback"), [("10", "1h"), ("2024-01-01", "x"), ("abc", "1h")])
def test_a_lookback_that_does_not_fit_is_refused(bound: str, lookback: str) -> None:
    """With what would fit."""
    with pytest.raises(ParameterError, match="lookback"):
        before(bound, lookback)


def test_the_upper_bound_is_asked_for_once_above_the_old_one() -> None:
    """Rows that are read again by lookback do not decide the watermark."""
    asked = []

    def newest(condition: str | None) -> str | None:
        asked.append(condition)
        return "20"

    found = bounds(Window("c", lower="10", lookback="5"), '"c"', literal, newest)
    assert asked == ["\"c\" > '10'"]
    assert (found.lower, found.watermark) == ("5", "20")
    assert found.condition == "\"c\" > '5' AND \"c\" <= '20'"


def test_without_new_rows_the_watermark_stays() -> None:
    """Also when the rows it came from are gone."""
    found = bounds(Window("c", lower="10"), "c", literal, lambda _: None)
    assert found.watermark == "10"


def test_an_empty_first_load_reads_only_null_cursors() -> None:
    """And leaves the watermark unknown."""
    found = bounds(Window("c", nulls=True), "c", literal, lambda _: None)
    assert found.watermark is None
    assert found.condition == "(1 = 0) OR c IS NULL"
