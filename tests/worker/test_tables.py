"""Runs of tables in warm processes: what they leave for each other, and what not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from duckherd.source_limit import limit_name
from servers import wait_until
from warm_herd import Herd


@pytest.fixture
def run_table(herd: Herd, postgres_url: str, tmp_path: Path) -> Any:
    """Run a table of two rows to its end; the flow run."""
    with psycopg.connect(postgres_url) as db:
        db.execute("create table orders as select i as id from generate_series(1, 2) i")
    deployment = herd.deploy(
        "duckherd.flow.ingest_table",
        parameters={
            "table": "public.orders",
            "source": postgres_url,
            "lake": str(tmp_path / "lake"),
            "limits": {"max_connections": 2, "connections_per_table": 2},
        },
    )
    return lambda: herd.run(deployment)


def test_quick_steps_are_whole_in_the_api(herd: Herd, run_table: Any) -> None:
    """Three task runs with start, end and duration, told by one event each."""
    run = run_table()
    assert run["state_name"] == "Completed", run["state"]
    tasks = _tasks(herd, run["id"])
    assert {task["name"].partition("-")[0] for task in tasks} == {"extract", "check", "publish"}
    for task in tasks:
        assert task["state_name"] == "Completed"
        assert task["start_time"] < task["end_time"]
        assert task["run_count"] == 1
        assert task["total_run_time"] > 0
    # Held back for a second: a slow machine may have told of some, not of all that began.
    told = [_events(herd, task["id"]) for task in tasks]
    assert ["prefect.task-run.Completed"] in told, told


def test_connection_and_slots_are_kept_and_given_back_together(
    herd: Herd, run_table: Any, postgres_url: str
) -> None:
    """Kept from run to run, both gone when no run comes: the bound is never exceeded."""
    with psycopg.connect(postgres_url, autocommit=True) as db:

        def connections() -> int:
            [(number,)] = db.execute(
                "select count(*) from pg_stat_activity"
                " where application_name like 'duckherd%' and datname = current_database()"
            ).fetchall()
            return int(number)

        name = limit_name(postgres_url)
        limit = f"/v2/concurrency_limits/{name}"

        def slots() -> int:
            return int(herd.ask("GET", limit)["active_slots"])

        for _ in range(5):
            assert run_table()["state_name"] == "Completed"
            kept = connections()
            if kept and slots() >= kept:
                break  # else a slow machine was past the idle time
        else:
            pytest.fail("no run left its connection and its slots to the next")
        wait_until(lambda: connections() == 0, "no connection", 60)
        wait_until(lambda: slots() == 0, "free slots", 60)


def _events(herd: Herd, task_run: str) -> list[str]:
    resource = {"id": [f"prefect.task-run.{task_run}"]}
    asked = {"filter": {"resource": resource, "order": "ASC"}}
    found: list[str] = []

    def told() -> bool:
        found[:] = [event["event"] for event in herd.ask("POST", "/events/filter", asked)["events"]]
        return "prefect.task-run.Completed" in found

    wait_until(told, "the event of the end", 60)
    return found


def _tasks(herd: Herd, run: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 30
    body = {"flow_runs": {"id": {"any_": [run]}}}
    while time.monotonic() < deadline:
        tasks = herd.ask("POST", "/task_runs/filter", body)
        if len(tasks) == 3 and all(task["state_name"] == "Completed" for task in tasks):
            return list(tasks)
        time.sleep(0.2)
    raise TimeoutError(f"the steps of {run} are {[task['state_name'] for task in tasks]}")
