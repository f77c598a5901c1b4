"""From what the server said of deployments through time to slots, counted by hand."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from duckherd.history.rows import deployment_content, run_row
from duckherd.history.store import Store
from duckherd.history.tables import Table, read_herd
from duckherd.report.judged import Judged, judge
from sla.builders import at

NIGHTLY = {"cron": "0 2 * * *", "timezone": "Europe/Warsaw"}
NOON = {"cron": "0 12 * * *", "timezone": "Europe/Warsaw"}
NAME = "erp.sales.orders"


@pytest.fixture
def store(tmp_path):
    """A cache that was brought up to date on Monday 9 June, noon."""
    with Store(tmp_path / "cache") as opened:
        opened.set("fetched_at", _iso("2025-06-09T12:00"))
        yield opened


def _iso(text: str) -> str:
    return datetime.fromtimestamp(at(text), UTC).isoformat()


def said(
    schedules: Sequence[dict[str, Any]], *, active: bool = True, **parameters: Any
) -> dict[str, Any]:
    """A deployment as the API tells it."""
    return {
        "name": NAME,
        "schedules": [{"schedule": spec, "active": active} for spec in schedules],
        "parameters": {"table": "sales.orders", **parameters},
    }


def remember(
    store: Store,
    created: str,
    *versions: tuple[str, dict[str, Any]],
    scheduled: str | None = None,
    deleted: str | None = None,
) -> str:
    """Put a deployment with its versions into the cache; its id."""
    id_ = str(uuid.uuid4())
    row = {
        "id": id_, "name": NAME, "created": _iso(created), "updated": _iso(versions[-1][0]),
        "scheduled_since": _iso(scheduled or created), "read_at": _iso(created),
        "deleted": _iso(deleted) if deleted else None,
    }  # fmt: skip
    rows = [
        {"deployment_id": id_, "since": _iso(since), "content": deployment_content(content)}
        for since, content in versions
    ]
    store.put_deployments([row], rows)
    return id_


def ran(store: Store, deployment: str, due: str, published: str | None = None) -> None:
    """Put a scheduled run in; it failed where it did not publish."""
    state = "COMPLETED" if published else "FAILED"
    end = _iso(published or due)
    labels = {"duckherd.published_at": end} if published else {}
    run = {
        "id": str(uuid.uuid4()), "deployment_id": deployment, "name": "run", "labels": labels,
        "expected_start_time": _iso(due), "auto_scheduled": True, "state_type": state,
        "state_name": state.title(), "run_count": 1, "start_time": _iso(due), "end_time": end,
    }  # fmt: skip
    store.upsert_runs([run_row(run)])


def judged(store: Store) -> Judged:
    """Everything the cache knows, judged."""
    return judge(read_herd(store, 0.0), 0.0)


def told(store: Store) -> list[tuple[str, str]]:
    """(when due, outcome) of each slot of the table."""
    found = judged(store).slots[NAME]
    return [(datetime.fromtimestamp(s.time, UTC).strftime("%d"), str(s.outcome)) for s in found]


def table(store: Store) -> Table:
    """The one table."""
    (only,) = judged(store).tables
    return only


def test_an_inactive_schedule_makes_no_slots(store):
    """Nightly until Wednesday noon, then switched off: the 3rd and 4th are due, no later one."""
    off = said([NIGHTLY], active=False)
    id_ = remember(
        store, "2025-06-02T12:00", ("2025-06-02T12:00", said([NIGHTLY])), ("2025-06-04T12:00", off)
    )
    ran(store, id_, "2025-06-03T02:00", "2025-06-03T02:10")
    assert told(store) == [("03", "good"), ("04", "missing")]


def test_one_of_two_schedules_may_be_inactive(store):
    """The other one keeps making slots."""
    both = said([NIGHTLY, NOON])
    both["schedules"][1]["active"] = False
    id_ = remember(store, "2025-06-06T00:00", ("2025-06-06T00:00", both))
    ran(store, id_, "2025-06-06T02:00", "2025-06-06T02:10")
    assert told(store) == [("06", "good"), ("07", "missing"), ("08", "missing"), ("09", "open")]


def test_a_deployment_made_anew_is_one_table_with_nothing_due_between(store):
    """Removed on the 4th at noon, made anew on the 7th at noon: 3, 4, then 8, 9."""
    first = remember(
        store, "2025-06-02T12:00", ("2025-06-02T12:00", said([NIGHTLY])),
        deleted="2025-06-04T12:00",
    )  # fmt: skip
    second = remember(store, "2025-06-07T12:00", ("2025-06-07T12:00", said([NIGHTLY])))
    ran(store, first, "2025-06-03T02:00", "2025-06-03T02:10")
    ran(store, second, "2025-06-08T02:00", "2025-06-08T02:10")
    assert told(store) == [("03", "good"), ("04", "missing"), ("08", "good"), ("09", "open")]
    assert table(store).id == second
    assert not table(store).deleted


def test_a_deploy_that_writes_schedules_anew_changes_nothing_by_that(store):
    """First seen on the 7th, when a deploy had just rewritten them: the runs agree, so they held.

    The run of the 3rd is the first one known: nothing before it is judged, though the
    deployment is older.
    """
    id_ = remember(
        store, "2025-05-01T00:00", ("2025-05-01T00:00", said([NIGHTLY])),
        scheduled="2025-06-07T12:00",
    )  # fmt: skip
    ran(store, id_, "2025-06-03T02:00", "2025-06-03T02:10")
    ran(store, id_, "2025-06-04T02:00", "2025-06-04T02:10")
    days = [day for day, _ in told(store)]
    assert days == ["03", "04", "05", "06", "07", "08", "09"]


def test_schedules_that_earlier_runs_contradict_hold_from_when_they_were_written(store):
    """Runs at noon before the 7th, nightly since: only runs tell what was due before."""
    id_ = remember(
        store, "2025-05-01T00:00", ("2025-05-01T00:00", said([NIGHTLY])),
        scheduled="2025-06-07T12:00",
    )  # fmt: skip
    ran(store, id_, "2025-06-03T12:00", "2025-06-03T12:10")
    ran(store, id_, "2025-06-05T12:00")
    assert told(store) == [("03", "good"), ("05", "failed"), ("08", "missing"), ("09", "open")]


def test_attainment_uses_the_target_and_window_of_today(store):
    """Slots keep the deadline of their day; what is promised over them is today's promise.

    Due by 06:00 until Thursday noon, by 03:00 since. Published at 04:00 each night from the
    3rd to the 9th: three good and four late. Today's window of three days holds the 7th,
    8th and 9th, all late; today's target of 50 % allows one miss of three.
    """
    early = said([NIGHTLY], objective={"deadline": "06:00", "target": 99.0, "window": "28d"})
    later = said([NIGHTLY], objective={"deadline": "03:00", "target": 50.0, "window": "3d"})
    id_ = remember(
        store, "2025-06-02T12:00", ("2025-06-02T12:00", early), ("2025-06-05T12:00", later)
    )
    for day in range(3, 10):
        ran(store, id_, f"2025-06-0{day}T02:00", f"2025-06-0{day}T04:00")
    assert [outcome for _, outcome in told(store)] == ["good"] * 3 + ["late"] * 4
    attainment = judged(store).attainments[NAME]
    assert (attainment.valid, attainment.good, attainment.target) == (3, 0, 50.0)
    assert (attainment.allowed, attainment.left, attainment.breached) == (1, -2, True)
