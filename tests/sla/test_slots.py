"""Hand-counted examples of every rule in docs/sla.md."""

from __future__ import annotations

from duckherd.sla.model import Version
from duckherd.sla.objective import Objective
from duckherd.sla.schedule import DAY, Schedule
from duckherd.sla.slots import next_deadline, next_wall_clock
from sla.builders import (
    HOUR,
    MINUTE,
    NIGHTLY,
    SIX,
    at,
    good,
    judged,
    nightly,
    outcomes,
    run,
    timeline,
)

MON, TUE, WED, THU = (at(f"2025-06-0{day}T02:00") for day in (2, 3, 4, 5))
WEEK = ("2025-06-02T00:00", "2025-06-05T00:00")


def test_each_outcome_of_a_week():
    """Seven nights, one of each: what the run did decides the outcome."""
    days = [at(f"2025-06-{day:02}T02:00") for day in range(2, 9)]
    runs = [
        good(days[0]),
        run(days[1], published=days[1] + 5 * HOUR),
        run(days[2], published=days[2] + HOUR, attempts=2),
        run(days[3], state="FAILED"),
        run(days[4], state="FAILED", name="ChecksFailed"),
        run(days[6], state="CRASHED", attempts=0),
    ]
    found = judged(nightly(), runs, "2025-06-02T00:00", "2025-06-09T00:00")
    assert outcomes(found) == [
        "good",
        "late",
        "retried-then-good",
        "failed",
        "check-failed",
        "missing",
        "failed",
    ]
    assert found[1].lateness == HOUR
    assert found[0].time_to_data == 10 * MINUTE


def test_a_rerun_before_the_deadline_makes_the_slot_good():
    """Slots are counted, not attempts: a failure repaired in time is retried-then-good."""
    repaired = [run(MON, state="FAILED"), run(start=MON + HOUR, published=MON + 2 * HOUR)]
    (slot,) = judged(nightly(), repaired, "2025-06-02T00:00", "2025-06-03T00:00")
    assert (slot.outcome, slot.attempts, slot.run) == ("retried-then-good", 2, repaired[1].id)


def test_a_rerun_after_the_deadline_makes_the_slot_late():
    """The data came, but not when it was promised."""
    repaired = [run(MON, state="FAILED"), run(start=MON + 5 * HOUR, published=MON + 6 * HOUR)]
    (slot,) = judged(nightly(), repaired, "2025-06-02T00:00", "2025-06-03T00:00")
    assert (slot.outcome, slot.lateness) == ("late", 2 * HOUR)


def test_the_next_nights_run_does_not_repair_a_failed_night():
    """Failed until the next slot took over is failed, not late."""
    found = judged(nightly(), [run(MON, state="FAILED"), good(TUE)], *WEEK)
    assert outcomes(found) == ["failed", "good", "missing"]


def test_a_manual_run_before_the_slot_does_not_serve_it():
    """Its data is older than the slot asked for, even when it publishes after the slot's time."""
    early = run(start=MON - 10 * MINUTE, published=MON + HOUR)
    (slot,) = judged(nightly(), [early], "2025-06-02T00:00", "2025-06-03T00:00")
    assert slot.outcome == "missing"


def test_a_backfill_serves_no_slot():
    """It reads an old range again: tonight's data is still missing."""
    backfill = run(start=MON + HOUR, published=MON + 2 * HOUR, backfill=True)
    (slot,) = judged(nightly(), [backfill], "2025-06-02T00:00", "2025-06-03T00:00")
    assert (slot.outcome, slot.attempts) == ("missing", 0)


def test_manual_runs_add_no_slots():
    """Three manual runs on one day leave one slot that day."""
    runs = [good(MON), *(run(start=MON + n * HOUR, published=MON + n * HOUR) for n in (9, 10, 11))]
    found = judged(nightly(), runs, "2025-06-02T00:00", "2025-06-03T00:00")
    assert outcomes(found) == ["good"]


def test_an_overtaken_hour_is_served_by_the_run_that_overtook_it():
    """The 01:00 run starts at 02:05; the cancelled 02:00 run is not missed: its data is there."""
    hourly = Schedule("UTC", interval=HOUR)
    table = timeline(Version(0.0, (hourly,), objective=Objective(within="45m")))
    one, two = at("2025-06-02T01:00", "UTC"), at("2025-06-02T02:00", "UTC")
    runs = [
        run(one, start=two + 5 * MINUTE, published=two + 10 * MINUTE),
        run(two, state="CANCELLED", attempts=0),
    ]
    found = judged(table, runs, "2025-06-02T03:00", "2025-06-02T05:00")
    assert outcomes(found) == ["late", "good"]


def test_a_slot_before_its_deadline_is_open_and_after_it_counts():
    """Nothing is judged early: at 05:59 the failed run may still be repaired."""
    runs = [run(MON, state="FAILED")]
    day = ("2025-06-02T00:00", "2025-06-03T00:00")
    assert outcomes(judged(nightly(), runs, *day, now="2025-06-02T05:59")) == ["open"]
    assert outcomes(judged(nightly(), runs, *day, now="2025-06-02T06:00")) == ["failed"]
    assert outcomes(judged(nightly(), [good(MON)], *day, now="2025-06-02T02:30")) == ["good"]
    assert outcomes(judged(nightly(), [], *day, now="2025-06-02T01:00")) == []


def test_a_run_still_going_after_the_deadline_is_late():
    """It may yet publish; in time it did not."""
    running = run(MON, state="RUNNING")
    (slot,) = judged(
        nightly(), [running], "2025-06-02T00:00", "2025-06-03T00:00", now="2025-06-02T07:00"
    )
    assert slot.outcome == "late"


def test_a_run_that_never_left_the_queue_is_missing():
    """Late (scheduled, never started) and cancelled-before-start runs produced nothing."""
    stuck = run(MON, state="SCHEDULED", name="Late", attempts=0)
    skipped = run(TUE, state="CANCELLED", attempts=0)
    found = judged(nightly(), [stuck, skipped, good(WED)], *WEEK)
    assert outcomes(found) == ["missing", "missing", "good"]


def test_paused_slots_are_excluded_and_listed():
    """Paused from Tuesday noon to Thursday: Wednesday is excluded with its reason."""
    version = Version(at("2025-01-01T00:00"), (NIGHTLY,), objective=SIX)
    paused = Version(TUE + 10 * HOUR, (NIGHTLY,), paused=True, objective=SIX)
    found = judged(timeline(version, paused), [good(MON), good(TUE)], *WEEK)
    assert outcomes(found) == ["good", "good", "excluded"]
    assert found[2].reason == "paused"


def test_a_paused_slot_counts_when_something_ran_for_it():
    """Paused all week; run by hand on Monday (published) and Tuesday (failed), not on Wednesday."""
    paused = timeline(Version(at("2025-01-01T00:00"), (NIGHTLY,), paused=True, objective=SIX))
    runs = [
        run(start=MON + HOUR, published=MON + 2 * HOUR),
        run(start=TUE + HOUR, state="FAILED"),
    ]
    found = judged(paused, runs, *WEEK)
    assert outcomes(found) == ["good", "failed", "excluded"]


def test_a_failure_before_the_pause_still_counts():
    """Pausing after a failure does not undo it."""
    version = Version(at("2025-01-01T00:00"), (NIGHTLY,), objective=SIX)
    paused = Version(MON + HOUR, (NIGHTLY,), paused=True, objective=SIX)
    found = judged(timeline(version, paused), [run(MON, state="FAILED")], *WEEK)
    assert outcomes(found) == ["failed", "excluded", "excluded"]


def test_a_table_counts_from_its_creation_until_its_removal():
    """Added on Monday noon, removed on Wednesday at 03:00: one whole slot, one excluded."""
    added = nightly(since="2025-06-02T12:00")
    table = timeline(*added.versions, deleted=WED + HOUR)
    found = judged(table, [good(TUE)], *WEEK)
    assert outcomes(found) == ["good", "excluded"]
    assert found[1].reason == "removed before its deadline"


def test_a_changed_schedule_counts_from_its_change_on():
    """Nightly until Tuesday noon, then every six hours: 2 + 2 + 4 slots in three days."""
    six_hours = Schedule("Europe/Warsaw", cron="0 */6 * * *")
    noon = at("2025-06-03T11:00")
    table = timeline(Version(0.0, (NIGHTLY,)), Version(noon, (six_hours,)))
    found = judged(table, [], *WEEK)
    assert [slot.time for slot in found][:2] == [MON, TUE]
    assert len(found) == 2 + 2 + 4


def test_an_objective_changed_later_does_not_judge_the_past():
    """Monday is judged by 06:00, Tuesday by 03:00: published at 04:00 is good, then late."""
    three = Objective(deadline="03:00")
    table = timeline(
        Version(0.0, (NIGHTLY,), objective=SIX),
        Version(MON + 12 * HOUR, (NIGHTLY,), objective=three),
    )
    runs = [good(MON, 2 * HOUR), good(TUE, 2 * HOUR), good(WED, MINUTE)]
    assert outcomes(judged(table, runs, *WEEK)) == ["good", "late", "good"]


def test_a_scheduled_run_is_a_slot_even_before_the_schedule_is_known():
    """The server made the run, so the slot was real."""
    table = nightly(since="2025-06-04T00:00")
    found = judged(table, [good(MON), good(WED)], *WEEK)
    assert [slot.time for slot in found] == [MON, WED]


def test_two_schedules_that_meet_make_one_slot():
    """A slot is a (table, time) pair: 02:00 of both schedules is one."""
    both = Version(0.0, (NIGHTLY, Schedule("Europe/Warsaw", cron="0 2,14 * * *")), objective=SIX)
    assert len(judged(timeline(both), [], "2025-06-02T00:00", "2025-06-03T00:00")) == 2


def test_without_a_deadline_data_must_come_before_the_next_slot():
    """No objective: an hourly run has an hour."""
    hourly = timeline(Version(0.0, (Schedule("UTC", interval=HOUR),)))
    one = at("2025-06-02T01:00", "UTC")
    found = judged(hourly, [good(one, 59 * MINUTE)], "2025-06-02T03:00", "2025-06-02T04:00")
    assert outcomes(found) == ["good"]
    assert found[0].deadline == one + HOUR


def test_freshness_is_judged_by_the_data_not_by_the_run():
    """Published in time, but the source had been frozen for two days."""
    fresh = Objective(deadline="06:00", freshness="26h")
    table = nightly(objective=fresh)
    runs = [
        run(MON, published=MON + HOUR, data_until=MON),
        run(TUE, published=TUE + HOUR, data_until=MON),
    ]
    found = judged(table, runs, "2025-06-02T00:00", "2025-06-04T00:00")
    assert outcomes(found) == ["good", "stale"]


def test_fresh_data_that_older_data_replaced_is_not_fresh():
    """Repaired by hand at noon with that day's data; the next night publishes the day before's."""
    table = nightly(objective=Objective(deadline="06:00", freshness="26h"))
    runs = [
        run(MON, state="FAILED"),
        run(start=MON + 10 * HOUR, published=MON + 11 * HOUR, data_until=MON + 10 * HOUR),
        run(TUE, published=TUE + HOUR, data_until=MON - 12 * HOUR),
    ]
    found = judged(table, runs, "2025-06-02T00:00", "2025-06-04T00:00")
    assert outcomes(found) == ["late", "stale"]


def test_freshness_alone_forgives_a_missed_run_while_the_data_is_young():
    """At most 50 h old: one missed night keeps the promise, two break it."""
    table = nightly(objective=Objective(freshness="50h"))
    found = judged(table, [good(MON)], "2025-06-02T00:00", "2025-06-05T00:00")
    # Judged when the next slot is due: 24 h, 48 h and 72 h after Monday 02:00.
    assert outcomes(found) == ["good", "good", "missing"]


def test_a_deadline_is_the_first_such_time_after_the_slot():
    """06:00 of the same morning for 02:00; of the next morning for 22:00."""
    assert next_wall_clock(MON, "06:00", "Europe/Warsaw") == MON + 4 * HOUR
    evening = at("2025-06-02T22:00")
    assert next_wall_clock(evening, "06:00", "Europe/Warsaw") == evening + 8 * HOUR
    assert next_wall_clock(MON, "02:00", "Europe/Warsaw") == MON + DAY


def test_the_next_deadline_is_of_the_next_slot():
    """On Monday noon: Tuesday 06:00 of Tuesday's 02:00; without an objective Wednesday's 02:00."""
    noon = MON + 10 * HOUR
    assert next_deadline(Version(0.0, (NIGHTLY,), objective=SIX), noon) == TUE + 4 * HOUR
    within = Version(0.0, (NIGHTLY,), objective=Objective(within="45m"))
    assert next_deadline(within, noon) == TUE + 45 * MINUTE
    assert next_deadline(Version(0.0, (NIGHTLY,)), noon) == WED
    assert next_deadline(Version(0.0), noon) is None
    once = Schedule("Europe/Warsaw", rrule="DTSTART:20250603T020000\nRRULE:FREQ=DAILY;COUNT=1")
    assert next_deadline(Version(0.0, (once,)), noon) == WED


def test_a_deadline_on_the_short_and_the_long_night():
    """01:00 to 06:00 is four hours on 30 March 2025 and six on 26 October."""
    spring = at("2025-03-30T01:00")
    assert next_wall_clock(spring, "06:00", "Europe/Warsaw") == spring + 4 * HOUR
    assert next_wall_clock(spring, "02:30", "Europe/Warsaw") == spring + 1.5 * HOUR
    autumn = at("2025-10-26T01:00")
    assert next_wall_clock(autumn, "06:00", "Europe/Warsaw") == autumn + 6 * HOUR
    first_half_past = at("2025-10-26T02:30")
    assert next_wall_clock(first_half_past, "02:30", "Europe/Warsaw") == first_half_past + HOUR


def test_a_night_with_daylight_saving_has_one_slot():
    """One slot on the short and on the long night, judged by the wall clock."""
    for day in ("2025-03-30", "2025-10-26"):
        due = at(f"{day}T02:00")
        published = at(f"{day}T05:59")
        found = judged(nightly(), [run(due, published=published)], f"{day}T00:00", f"{day}T23:59")
        assert outcomes(found) == ["good"]


def test_the_servers_own_run_decides_between_two_times_around_daylight_saving():
    """A daily interval may fire an hour apart from our time: one slot, not two."""
    daily = Schedule("Europe/Warsaw", interval=DAY, anchor=at("2025-01-01T09:00"))
    summer = at("2025-06-02T09:00")
    found = judged(
        timeline(Version(0.0, (daily,))), [good(summer)], "2025-06-02T00:00", "2025-06-03T00:00"
    )
    assert [slot.time for slot in found] == [summer]
