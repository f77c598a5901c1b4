"""Durations: percentiles, and how long it took to restore a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from duckherd.sla.model import Slot
from duckherd.sla.schedule import Instant


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Nearest-rank percentile: a value that was really measured; None without values.

    The smallest value with at least `percent` of all values at or below it
    (NIST/SEMATECH e-Handbook, 7.2.6.2, without interpolation).
    """
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(ceil(percent / 100 * len(ordered)), 1) - 1]


@dataclass(frozen=True, slots=True)
class Incident:
    """A table without the data it promised.

    Attributes:
        start: the first missed deadline.
        end: when data was published again; None while it lasts.
        misses: slots missed meanwhile.
    """

    table: str
    start: Instant
    end: Instant | None
    misses: int

    @property
    def duration(self) -> float | None:
        """Seconds to restore; None while it lasts."""
        return None if self.end is None else self.end - self.start


def incidents(slots: Iterable[Slot]) -> tuple[Incident, ...]:
    """Runs of consecutive misses of one table, `slots` ascending; open slots end nothing."""
    found: list[Incident] = []
    missed: list[Slot] = []
    for slot in slots:
        if slot.outcome.is_bad:
            missed.append(slot)
            if slot.published is None:
                continue
        elif not slot.outcome.is_good:
            continue
        if missed:
            # A slot kept by freshness alone may be good without a publish of its own.
            found.append(_incident(missed, slot.published or slot.deadline))
            missed = []
    return (*found, _incident(missed, None)) if missed else tuple(found)


def _incident(missed: Sequence[Slot], end: Instant | None) -> Incident:
    first = missed[0]
    # The next slot may publish before the deadline that was missed has even passed.
    restored = None if end is None else max(end, first.deadline)
    return Incident(first.table, first.deadline, restored, len(missed))


@dataclass(frozen=True, slots=True)
class Restore:
    """Time to restore, in seconds, over closed incidents; None without any."""

    incidents: int
    open: int
    median: float | None
    maximum: float | None


def time_to_restore(found: Sequence[Incident]) -> Restore:
    """Median and maximum time to restore; open incidents are counted apart."""
    closed = [one.duration for one in found if one.duration is not None]
    return Restore(
        incidents=len(found),
        open=len(found) - len(closed),
        median=percentile(closed, 50),
        maximum=max(closed, default=None),
    )
