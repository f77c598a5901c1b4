"""Whether a figure is far from what it was in earlier loads. Pure.

Two methods, both named in the verdict:

- `mad`: the middle is the median, one deviation is 1.4826 x the median absolute
  deviation, which estimates the standard deviation of normal data and is not moved by
  a few odd loads. Where more than half of the history is the same value, so that it
  is zero, 1.2533 x the mean absolute deviation stands in for it. (Iglewicz and
  Hoaglin, How to Detect and Handle Outliers, 1993.)
- `zscore`: mean and sample standard deviation.

A history that never changed has no deviation; one percent of its value is used then.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from duckherd.checks.options import Anomaly

WINDOW = 30
"""Latest loads that are looked at."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a figure may be, both inclusive; `text` says how they came about."""

    least: float
    most: float
    text: str


def bounds(history: Sequence[float], anomaly: Anomaly) -> Bounds | None:
    """Bounds from `history`, newest first; None below the minimum of history."""
    recent = history[:WINDOW]
    if len(recent) < anomaly.min_history:
        return None
    middle, deviation, name = _zscore(recent) if anomaly.method == "zscore" else _mad(recent)
    deviation = deviation or abs(middle) / 100
    reach = anomaly.deviations * deviation
    least, most = middle - reach, middle + reach
    text = (
        f"{least:.6g} to {most:.6g} "
        f"({name} ± {anomaly.deviations:g} deviations over {len(recent)} loads)"
    )
    return Bounds(least, most, text)


def _mad(values: Sequence[float]) -> tuple[float, float, str]:
    median = statistics.median(values)
    distances = [abs(value - median) for value in values]
    deviation = 1.4826 * statistics.median(distances) or 1.2533 * statistics.fmean(distances)
    return median, deviation, "mad: median"


def _zscore(values: Sequence[float]) -> tuple[float, float, str]:
    return statistics.fmean(values), statistics.stdev(values), "zscore: mean"
