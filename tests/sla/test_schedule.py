"""Times of schedules: by hand, and against the server's own code."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from duckherd.sla.schedule import DAY, Schedule, utc
from sla.builders import HOUR, at


def walls(schedule: Schedule, start: str, end: str) -> list[str]:
    """UTC times in a range of the schedule's own clock."""
    found = schedule.times(at(start, schedule.timezone), at(end, schedule.timezone))
    return [utc(moment).strftime("%m-%d %H:%M") for moment in found]


def test_cron_keeps_the_wall_clock_through_daylight_saving():
    """02:30 in Warsaw is 01:30 UTC in winter and 00:30 UTC in summer."""
    nightly = Schedule("Europe/Warsaw", cron="30 3 * * *")
    assert walls(nightly, "2025-03-29T00:00", "2025-04-01T00:00") == [
        "03-29 02:30",
        "03-30 01:30",
        "03-31 01:30",
    ]


def test_a_skipped_time_fires_after_the_gap_and_a_repeated_one_fires_once():
    """02:30 does not exist on 30 March 2025 in Warsaw and exists twice on 26 October."""
    half_past_two = Schedule("Europe/Warsaw", cron="30 2 * * *")
    assert walls(half_past_two, "2025-03-30T00:00", "2025-03-31T00:00") == ["03-30 01:30"]
    assert walls(half_past_two, "2025-10-26T00:00", "2025-10-27T00:00") == ["10-26 00:30"]


def test_an_hourly_interval_fires_every_hour_the_clock_shows():
    """23 times on the short day, and 24 on the long one as Prefect skips the repeated hour."""
    hourly = Schedule("Europe/Warsaw", interval=HOUR, anchor=at("2025-01-01T00:00"))
    assert len(walls(hourly, "2025-03-30T00:00", "2025-03-31T00:00")) == 23
    assert len(walls(hourly, "2025-10-26T00:00", "2025-10-27T00:00")) == 24


def test_the_end_is_not_included():
    """Ranges are half-open, so neighbouring ranges never share a slot."""
    nightly = Schedule("UTC", cron="0 0 * * *")
    assert len(nightly.times(0, DAY)) == 1
    assert nightly.times(0, DAY) + nightly.times(DAY, 2 * DAY) == nightly.times(0, 2 * DAY)
    assert nightly.times(DAY, DAY) == ()


def test_next_after_is_strictly_later_and_none_where_nothing_comes():
    """A schedule's own time is not its next one; a rule that has ended has none."""
    monthly = Schedule("UTC", cron="0 0 1 * *")
    assert monthly.next_after(at("2025-01-01T00:00", "UTC")) == at("2025-02-01T00:00", "UTC")
    leap = Schedule("UTC", cron="0 0 29 2 *")
    assert leap.next_after(at("2025-01-01T00:00", "UTC")) == at("2028-02-29T00:00", "UTC")
    ended = Schedule("UTC", rrule="FREQ=DAILY;COUNT=3")
    assert ended.next_after(at("2025-01-01T00:00", "UTC")) is None


SPECS = [
    {"cron": "0 2 * * *", "timezone": "Europe/Warsaw"},
    {"cron": "30 2 * * *", "timezone": "Europe/Warsaw"},
    {"cron": "*/20 1-3 * * *", "timezone": "America/New_York"},
    {"cron": "0 9 * * mon-fri", "timezone": "Australia/Lord_Howe"},
    {"cron": "15 4 13 * fri", "timezone": "Europe/London"},
    {"cron": "15 4 13 * fri", "timezone": "Europe/London", "day_or": False},
    {"cron": "0 1 l * *", "timezone": "Asia/Kathmandu"},
    {"cron": "0 5 * * 1#2", "timezone": "UTC"},
    {"cron": "@daily", "timezone": "America/Sao_Paulo"},
    {"interval": 3600.0, "anchor_date": "2025-01-01T00:07:00+00:00", "timezone": "Europe/Warsaw"},
    {"interval": 900.0, "anchor_date": "2030-01-01T00:00:00+00:00", "timezone": "UTC"},
    {"rrule": "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=3;BYMINUTE=30", "timezone": "Europe/Warsaw"},
    {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0", "timezone": "America/New_York"},
    {"rrule": "DTSTART:20250101T060000\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1", "timezone": "UTC"},
]


def _server_times(spec: dict[str, object], start: datetime, end: datetime) -> set[float]:
    """Every time the server's schedule gives, asked piece by piece as its scheduler does."""
    from prefect.server.schemas.schedules import SCHEDULE_TYPES
    from pydantic import TypeAdapter

    schedule = TypeAdapter(SCHEDULE_TYPES).validate_python(spec)
    found: set[float] = set()
    while start < end:
        # One answer never holds both of the repeated hour's times; the next one does.
        until = min(start + timedelta(hours=1 if "interval" in spec else 120), end)
        dates = asyncio.run(schedule.get_dates(start=start, end=until))
        found |= {date.timestamp() for date in dates if date < until}
        start = until
    return found


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: " ".join(map(str, spec.values())))
@pytest.mark.parametrize("month", [(2025, 3), (2025, 10), (2025, 11)], ids=str)
def test_times_are_those_of_the_server(spec, month):
    """Our times equal those of Prefect's scheduler, but for one that daylight saving skips.

    Those Prefect moves back or forward depending on its Python; a run of its own tells us.
    """
    start = datetime(*month, 1, tzinfo=UTC)
    end = start + timedelta(days=35)
    ours = set(Schedule.from_api(spec).times(start.timestamp(), end.timestamp()))
    server = _server_times(spec, start, end)
    moved = ours - server
    assert server - ours in ({moment - HOUR for moment in moved}, set(moved))
    assert all(month[1] == 3 and utc(moment).weekday() == 6 for moment in moved)
    assert len(moved) <= 1
