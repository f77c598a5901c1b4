"""Every figure at 1,000 tables x 90 days: judged from a cache, equal to the simulator's.

The cache is written from the simulated runs as the API would tell them, deployments with
their pauses and removals dated; `test_truth.py` is where a real server tells them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from duckherd.history.rows import Row, deployment_content, run_row
from duckherd.history.store import Store
from simulator import database
from simulator.truth import FIGURES, judgement, wrong
from simulator.world import SimRun, SimTable, World, simulate

CHUNK = 20_000


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The herd as one cache knows it, judged."""
    world = simulate(1000, 90, datetime(2025, 11, 20, tzinfo=UTC))
    with Store(tmp_path_factory.mktemp("thousand") / "cache") as store:
        store.set("fetched_at", world.now.isoformat())
        store.put_deployments(
            [_deployment(table) for table in world.tables],
            [version for table in world.tables for version in _versions(table, world)],
        )
        for first in range(0, len(world.runs), CHUNK):
            store.upsert_runs([run_row(_told(run)) for run in world.runs[first : first + CHUNK]])
        yield judgement(world, store)


def _created(table: SimTable) -> str:
    day = table.created
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat()


def _deployment(table: SimTable) -> Row:
    created = _created(table)
    return {
        "id": str(table.id), "name": table.name, "created": created, "updated": created,
        "scheduled_since": created, "read_at": created,
        "deleted": table.removed.isoformat() if table.removed else None,
    }  # fmt: skip


def _versions(table: SimTable, world: World) -> list[Row]:
    begins = [(_created(table), False)]
    if table.paused:
        begins += [(table.paused[0].isoformat(), True), (table.paused[1].isoformat(), False)]
    return [
        {"deployment_id": str(table.id), "since": since, "content": _content(table, paused)}
        for since, paused in begins
    ]


def _content(table: SimTable, paused: bool) -> str:
    schedule = {"cron": table.cron, "timezone": "Europe/Warsaw"}
    return deployment_content(
        {
            "name": table.name, "paused": paused, "tags": table.tags,
            "schedules": [{"schedule": schedule}],
            "parameters": database.parameters(table, "postgresql://erp-db:5432/erp"),
        }
    )  # fmt: skip


def _told(run: SimRun) -> dict[str, Any]:
    return {
        "id": str(run.id), "deployment_id": str(run.deployment), "name": run.id.hex[:6],
        "expected_start_time": run.expected.isoformat(), "auto_scheduled": run.scheduled,
        "state_type": run.state, "state_name": run.state_name,
        "state": {"message": run.message}, "run_count": run.attempts,
        "start_time": run.start.isoformat() if run.start else None,
        "end_time": run.end.isoformat() if run.end else None,
        "parameters": {"backfill": {"from": "1"}} if run.backfill else {}, "labels": run.labels,
    }  # fmt: skip


def test_it_is_a_thousand_tables_by_ninety_days(judged):
    """Of every fault there are many."""
    counts = judged.world.counts()
    assert len(judged.world.tables) == 1000
    assert len(judged.world.runs) > 90_000
    assert min(counts.values()) > 100


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figures_are_those_of_the_simulator(judged, figure):
    """Every key and every value: no slot more and none less."""
    _, theirs = figure(judged)
    assert theirs
    assert wrong(figure, judged) == []
