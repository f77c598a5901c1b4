"""The generated file is plain Prefect: its own deploy and process worker do the same."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb

import servers
from duckherd.api.client import Api
from duckherd.api.settings import ApiSettings


def _do(folder: Path, api_url: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PREFECT_API_URL": api_url, "PREFECT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _published(folder: Path, deployment: str, api: Api) -> tuple[str, Path]:
    """Run one deployment; the state its run ended in, and where its table was published."""
    found = api.get(f"deployments/name/ingest-table/{deployment}")
    run = api.post(f"deployments/{found['id']}/create_flow_run")
    with servers.process(
        [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", "herd"],
        folder / "worker.log",
        env={"PREFECT_API_URL": api.url, "PREFECT_HOME": str(folder / "home")},
    ):
        servers.wait_until(
            lambda: (
                api.get(f"flow_runs/{run['id']}")["state_type"]
                in {"COMPLETED", "FAILED", "CRASHED"}
            ),
            "the flow run",
        )
    state = api.get(f"flow_runs/{run['id']}")["state"]
    return f"{state['name']} {state['message'] or ''}", folder / "lake" / "main" / "orders.parquet"


def test_prefect_deploys_the_file_and_its_process_worker_runs_it(
    tmp_path: Path, prefect_api: str
) -> None:
    """`init`, `prefect deploy --all` and a process worker publish what the table holds."""
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id integer primary key, status text, total numeric)")
        db.executemany(
            "insert into orders values (?, ?, ?)", [(i, f"s{i % 3}", i) for i in range(1000)]
        )
        expected = db.execute("select id, status, total from orders order by id").fetchall()
    _do(tmp_path, prefect_api, "duckherd.cli", "init", "--source", "sqlite:///shop.db",
        "--lake", "./lake", "--schedule", "0 2 * * *")  # fmt: skip
    with Api(ApiSettings(prefect_api)) as api:
        api.post("work_pools/", {"name": "herd", "type": "process"})
        _do(tmp_path, prefect_api, "prefect", "--no-prompt", "deploy", "--all")
        state, file = _published(tmp_path, "shop.main.orders", api)
    assert state.startswith("Completed"), state
    rows = duckdb.sql(f"select id, status, total from '{file}' order by id").fetchall()
    assert rows == expected
    plan = _do(tmp_path, prefect_api, "duckherd.cli", "plan")
    assert "create" not in plan.replace("0 to create", "")
