"""What a run of the flow tells of its checks and of changed columns, and to whom."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from prefect import get_client
from prefect.client.schemas.objects import FlowRun

import servers
from duckherd.catalog.model import TableName
from duckherd.lake import open_lake
from flow_runs import engine, ingest, private_spool  # noqa: F401  # fixtures


def artifact(flow_run: FlowRun) -> str:
    """The text of the artifact a run left."""
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(flow_run.id)]}}}
    return str(_post("/artifacts/filter", wanted)[0]["data"])


def _post(path: str, body: dict[str, Any]) -> Any:
    with get_client(sync_client=True) as client:
        return client.request("POST", path, json=body).json()


BEFORE = """create table orders (
    id integer not null, total decimal(12, 2), seen date, code varchar, gone blob, note varchar
)"""
AFTER = """create table orders (
    id bigint, total decimal(10, 2), seen date not null, label varchar, note varchar, more double
)"""
CHANGES = (
    "dropped code VARCHAR, perhaps renamed to label",
    "dropped gone BLOB",
    "widened id from INTEGER to BIGINT",
    "id allows NULL now",
    "narrowed total from DECIMAL(12,2) to DECIMAL(10,2)",
    "seen no longer allows NULL",
    "added label VARCHAR, perhaps renamed from code",
    "added more DOUBLE",
)


def _database(path: Path, definition: str) -> None:
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as db:
        db.execute(definition)
        db.execute("insert into orders (id, total, seen) values (1, 2.5, '2024-01-01')")


def test_every_kind_of_change_is_told_and_kept(tmp_path: Path) -> None:
    """Artifact, label and state tell columns added, dropped, renamed, changed in type or NULL."""
    file, lake = tmp_path / "shop.duckdb", str(tmp_path / "lake")
    good: dict[str, Any] = {"table": "main.orders", "source": f"duckdb:///{file}", "lake": lake}
    _database(file, BEFORE)
    assert ingest(**good).state_name == "Completed"
    _database(file, AFTER)
    again = ingest(**good)
    assert again.state_name == "Completed"
    state, _token = open_lake(lake).read_state(TableName.parse("main.orders"))
    assert [line.partition(" ")[2] for line in state.schema_changes] == list(CHANGES)
    assert again.labels["duckherd.schema_change"] == "; ".join(CHANGES)
    told = re.findall(r"^\| schema change \| (.*) \|$", artifact(again), re.MULTILINE)
    assert [line.replace("\\", "") for line in told] == list(CHANGES)


def test_ignored_change_is_not_told(tmp_path: Path) -> None:
    """`on_schema_change: ignore` publishes the new columns without a word."""
    file, lake = tmp_path / "shop.duckdb", str(tmp_path / "lake")
    good: dict[str, Any] = {"table": "main.orders", "source": f"duckdb:///{file}", "lake": lake}
    _database(file, BEFORE)
    ingest(**good)
    _database(file, AFTER)
    again = ingest(**good, on_schema_change="ignore")
    assert again.state_name == "Completed"
    assert "duckherd.schema_change" not in again.labels
    state, _token = open_lake(lake).read_state(TableName.parse("main.orders"))
    assert (state.schema_changes, state.columns[0].type) == ((), "BIGINT")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A SQLite database with two orders, one of them without a status."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("create table orders (id integer primary key, status text, email text)")
        db.execute("insert into orders values (1, 'new', 'ann@x.org'), (2, null, 'bob@x.org')")
    return path


def test_failed_check_sets_off_an_automation(shop: Path, tmp_path: Path) -> None:
    """The trigger as documented acts on a run whose check failed."""
    pool = f"pool-{tmp_path.name.replace('_', '-')}"
    page = (Path(__file__).parents[2] / "docs" / "checks.md").read_text("utf-8")
    written = re.search(r"```yaml\n(triggers:\n.*?)```", page, re.DOTALL)
    assert written is not None
    (trigger,) = yaml.safe_load(written[1])["triggers"]
    enabled = trigger.pop("enabled")
    pool_id = _post("/work_pools/", {"name": pool, "type": "process"})["id"]
    automation = {
        "name": pool,
        "enabled": enabled,
        "trigger": {"type": "event", "posture": "Reactive", "threshold": 1, "within": 0, **trigger},
        "actions": [{"type": "pause-work-pool", "source": "selected", "work_pool_id": pool_id}],
    }
    automation_id = _post("/automations/", automation)["id"]
    good = {"table": "main.orders", "source": f"sqlite:///{shop}", "lake": str(tmp_path / "lake")}
    failed = ingest(**good, checks=[{"not_null": {"columns": "status", "severity": "warn"}}])
    assert failed.state_name == "Completed"
    with get_client(sync_client=True) as client:
        servers.wait_until(
            lambda: client.request("GET", f"/work_pools/{pool}").json()["is_paused"],
            "the automation",
        )
        client.request("DELETE", f"/automations/{automation_id}")


def test_masked_values_are_in_no_artifact(shop: Path, tmp_path: Path) -> None:
    """Samples of a failing check show the key and that a masked value was there."""
    flow_run = ingest(
        table="main.orders",
        source=f"sqlite:///{shop}",
        lake=str(tmp_path / "lake"),
        key=["id"],
        columns={"email": {"mask": "sha256"}},
        checks=[{"length": {"column": "email", "max": 1}}],
    )
    assert flow_run.state_name == "ChecksFailed"
    told = artifact(flow_run)
    assert "[masked]" in told.replace("\\", "")
    assert "x.org" not in told


def test_an_append_without_new_rows_is_as_fresh_as_the_table(tmp_path: Path) -> None:
    """The check of a slice knows what earlier runs published, so a quiet hour fails nothing."""
    minute_ago = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S")
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table events (id integer primary key, at timestamp)")
        db.execute("insert into events values (1, ?)", (minute_ago,))
    parameters: dict[str, Any] = {
        "table": "main.events", "source": f"sqlite:///{tmp_path / 'shop.db'}",
        "lake": str(tmp_path / "lake"), "mode": "append", "cursor": "id",
    }  # fmt: skip
    for max_age, ended in (("1h", "Completed"), ("1h", "Completed"), ("30s", "ChecksFailed")):
        checks = [{"freshness": {"column": "at", "max_age": max_age, "name": "fresh"}}]
        ended_as = ingest(**parameters, checks=checks).state_name
        assert ended_as == ended, max_age
