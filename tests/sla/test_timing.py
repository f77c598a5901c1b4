"""Durations counted by hand."""

from __future__ import annotations

from duckherd.sla.timing import incidents, percentile, time_to_restore
from sla.builders import HOUR, at, good, judged, nightly, run

NIGHTS = [at(f"2025-06-{day:02}T02:00") for day in range(2, 9)]
RANGE = ("2025-06-02T00:00", "2025-06-09T00:00")


def test_percentiles_are_measured_values():
    """Nearest rank: of ten values p50 is the fifth, p95 and p99 the tenth."""
    values = [10.0, 1, 9, 2, 8, 3, 7, 4, 6, 5]
    assert [percentile(values, p) for p in (50, 95, 99, 1, 100)] == [5, 10, 10, 1, 10]
    assert percentile([], 50) is None


def test_an_incident_lasts_from_the_missed_deadline_to_the_next_publish():
    """Two nights failed: from 06:00 of the first to 02:10 of the third, 44 h 10 min."""
    runs = [good(NIGHTS[0]), run(NIGHTS[1], state="FAILED"), run(NIGHTS[2], state="FAILED")]
    runs += [good(night) for night in NIGHTS[3:]]
    (one,) = incidents(judged(nightly(), runs, *RANGE))
    assert one.misses == 2
    assert one.duration == 44 * HOUR + 600


def test_a_late_publish_ends_its_own_incident():
    """Published two hours late: restored after two hours."""
    runs = [good(night) for night in NIGHTS[1:]] + [run(NIGHTS[0], published=NIGHTS[0] + 6 * HOUR)]
    (one,) = incidents(judged(nightly(), runs, *RANGE))
    assert one.duration == 2 * HOUR


def test_an_incident_without_an_end_is_open():
    """It counts, but not into the times to restore."""
    runs = [run(NIGHTS[0], published=NIGHTS[0] + 6 * HOUR), *(good(night) for night in NIGHTS[1:5])]
    restore = time_to_restore(incidents(judged(nightly(), runs, *RANGE)))
    assert (restore.incidents, restore.open) == (2, 1)
    assert restore.median == restore.maximum == 2 * HOUR


def test_median_and_maximum_of_three_incidents():
    """1 h, 2 h and 5 h late: median 2 h, maximum 5 h."""
    hours = {0: 1, 2: 2, 4: 5}
    runs = [
        run(night, published=night + (4 + hours[i]) * HOUR) if i in hours else good(night)
        for i, night in enumerate(NIGHTS)
    ]
    restore = time_to_restore(incidents(judged(nightly(), runs, *RANGE)))
    assert (restore.incidents, restore.median, restore.maximum) == (3, 2 * HOUR, 5 * HOUR)
