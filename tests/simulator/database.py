"""Write a world into a Prefect server's own database, through Prefect's models."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from simulator.world import SimRun, SimTable, World

CHUNK = 5000


def write(world: World, database: Path, *, source: str = "postgresql://erp-db:5432/erp") -> None:
    """Insert flow, deployments, runs and states; the server may be running."""
    from prefect.server.database import orm_models

    engine = sa.create_engine(f"sqlite:///{database}", connect_args={"timeout": 60})
    with engine.begin() as db:
        flow = _flow(db, orm_models, world)
        rows = [_deployment(table, flow, world, source) for table in world.tables]
        db.execute(sa.insert(orm_models.Deployment.__table__), rows)
        schedules = [_schedule(table, world) for table in world.tables]
        db.execute(sa.insert(orm_models.DeploymentSchedule.__table__), schedules)
        insert_runs(db, world.runs, flow)
    engine.dispose()


def _flow(db: sa.Connection, orm_models: Any, world: World) -> uuid.UUID:
    table = orm_models.Flow.__table__
    found = db.execute(sa.select(table.c.id).where(table.c.name == "ingest-table")).scalar()
    if found is not None:
        return uuid.UUID(str(found))
    flow = uuid.uuid4()
    stamp = _start(world)
    db.execute(
        sa.insert(table),
        [
            {
                "id": flow,
                "name": "ingest-table",
                "created": stamp,
                "updated": stamp,
                "tags": [],
                "labels": {},
            }
        ],
    )
    return flow


def insert_runs(db: sa.Connection, runs: Iterable[SimRun], flow: uuid.UUID) -> None:
    """Insert runs with their states, in bulk."""
    from prefect.server.database import orm_models

    runs = list(runs)
    for first in range(0, len(runs), CHUNK):
        chunk = [(run, uuid.uuid4()) for run in runs[first : first + CHUNK]]
        db.execute(
            sa.insert(orm_models.FlowRunState.__table__),
            [_state(run, state_id) for run, state_id in chunk],
        )
        db.execute(
            sa.insert(orm_models.FlowRun.__table__),
            [_run(run, state_id, flow) for run, state_id in chunk],
        )


def _start(world: World) -> datetime:
    return datetime(world.start.year, world.start.month, world.start.day, tzinfo=UTC)


def _deployment(table: SimTable, flow: uuid.UUID, world: World, source: str) -> dict[str, Any]:
    created = datetime(table.created.year, table.created.month, table.created.day, tzinfo=UTC)
    return {
        "id": table.id, "name": table.name, "flow_id": flow, "created": created,
        "updated": created, "tags": table.tags, "paused": False, "labels": {},
        "entrypoint": "duckherd.flow.ingest_table", "parameters": parameters(table, source),
        "infra_overrides": {}, "pull_steps": [], "parameter_openapi_schema": {},
        "enforce_parameter_schema": True, "status": "READY",
    }  # fmt: skip


def parameters(table: SimTable, source: str) -> dict[str, Any]:
    """The deployment's parameters."""
    objective: dict[str, Any] = {"target": table.target}
    if table.deadline:
        objective["deadline"] = table.deadline
    if table.freshness:
        objective["freshness"] = table.freshness
    return {
        "table": table.table, "source": source, "lake": "s3://acme-raw/erp?region=eu-central-1",
        "objective": objective,
    }  # fmt: skip


def _schedule(table: SimTable, world: World) -> dict[str, Any]:
    from prefect.server.schemas.schedules import CronSchedule

    created = datetime(table.created.year, table.created.month, table.created.day, tzinfo=UTC)
    return {
        "id": uuid.uuid4(), "deployment_id": table.id, "created": created, "updated": created,
        "schedule": _cron(CronSchedule, table.cron), "active": True, "parameters": {},
    }  # fmt: skip


_crons: dict[str, Any] = {}


def _cron(kind: Any, cron: str) -> Any:
    # Prefect lists every zone file to validate one; 1,000 times takes a minute.
    if cron not in _crons:
        _crons[cron] = kind(cron=cron, timezone="Europe/Warsaw")
    return _crons[cron]


def _state(run: SimRun, state_id: uuid.UUID) -> dict[str, Any]:
    return {
        "id": state_id, "flow_run_id": run.id, "type": run.state, "name": run.state_name,
        "timestamp": run.end or run.start or run.expected, "message": run.message,
        "created": run.expected, "updated": run.expected,
    }  # fmt: skip


def _run(run: SimRun, state_id: uuid.UUID, flow: uuid.UUID) -> dict[str, Any]:
    return {
        "id": run.id, "name": f"run-{run.id.hex[:6]}", "flow_id": flow,
        "deployment_id": run.deployment, "state_id": state_id, "state_type": run.state,
        "state_name": run.state_name, "state_timestamp": run.end or run.start or run.expected,
        "run_count": run.attempts, "expected_start_time": run.expected,
        "next_scheduled_start_time": run.expected if run.state == "SCHEDULED" else None,
        "start_time": run.start, "end_time": run.end, "auto_scheduled": run.scheduled,
        "parameters": {"backfill": {"from": "1"}} if run.backfill else {"table": "x"},
        "labels": run.labels, "tags": [], "context": {}, "created": run.expected,
        "updated": run.end or run.expected, "job_variables": {},
    }  # fmt: skip


def pause(database: Path, deployment: uuid.UUID, moment: datetime, *, paused: bool) -> None:
    """Pause or resume a deployment as the server would at that moment."""
    from prefect.server.database import orm_models

    engine = sa.create_engine(f"sqlite:///{database}", connect_args={"timeout": 60})
    table = orm_models.Deployment.__table__
    with engine.begin() as db:
        db.execute(
            sa.update(table).where(table.c.id == deployment).values(paused=paused, updated=moment)
        )
    engine.dispose()


def remove(database: Path, deployment: uuid.UUID) -> None:
    """Delete a deployment; its runs stay, as the server leaves them."""
    from prefect.server.database import orm_models

    engine = sa.create_engine(f"sqlite:///{database}", connect_args={"timeout": 60})
    table = orm_models.Deployment.__table__
    with engine.begin() as db:
        db.execute(sa.delete(table).where(table.c.id == deployment))
    engine.dispose()


def dump(world: World) -> str:
    """The truth as JSON, for people."""
    return json.dumps({f"{name} {due}": outcome for (name, due), outcome in world.truth.items()})
