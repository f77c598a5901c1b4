"""The same tables loaded by examples/monolith.py and by the herd.

    python benchmarks/monolith.py [--tables 100] [--rows 100,1000,10000,100000] [--limit 4]

Both read PostgreSQL and write Parquet on this machine, with the Prefect server beside
them. The monolith's time is its flow run's, start-up left out; the herd's is from the
moment all its runs are due to the end of the last, with a warm worker. Linux only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import psycopg

import overhead

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import servers

COLUMNS = """
    i::int as id, 'customer ' || i as name, ((i % 997) / 7.0)::numeric(12, 2) as amount,
    timestamp '2024-01-01' + i * interval '1 minute' as created_at,
    case when i % 10 = 0 then null else 'note ' || md5(i::text) end as note, i % 2 = 0 as active
"""
MONOLITH = Path(__file__).parents[1] / "examples" / "monolith.py"


def fill(url: str, tables: int, rows: int) -> None:
    """Make schema `s<rows>` with that many tables of that many rows."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"create schema s{rows}")
        for number in range(tables):
            db.execute(
                f"create table s{rows}.t{number} as"
                f" select {COLUMNS} from generate_series(1, {rows}) i"
            )
        db.execute("analyze")


def drop(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"drop schema s{rows} cascade")


def monolith(api: overhead.Api, url: str, lake: Path) -> float:
    """Seconds of the flow run."""
    source = url.replace("postgresql://", "postgresql+psycopg://")
    subprocess.run([sys.executable, str(MONOLITH), source, str(lake)], check=True)
    body = {"sort": "START_TIME_DESC", "limit": 1, "flows": {"name": {"any_": ["load-everything"]}}}
    run = api.ask("POST", "/flow_runs/filter", body)[0]
    assert run["state_type"] == "COMPLETED", run
    return ended(run) - datetime.fromisoformat(run["start_time"]).timestamp()


def ended(run: dict) -> float:
    return datetime.fromisoformat(run["end_time"]).timestamp()


def deploy(api: overhead.Api, url: str, lake: Path, tables: int, rows: int) -> list[str]:
    flow = api.ask("POST", "/flows/", {"name": "ingest-table"})["id"]
    shared = {
        "flow_id": flow,
        "entrypoint": "duckherd.flow.ingest_table",
        "work_pool_name": "bench-warm",
    }
    return [
        api.ask(
            "POST",
            "/deployments/",
            {
                **shared,
                "name": f"s{rows}.t{number}",
                "parameters": {
                    "table": f"s{rows}.t{number}",
                    "source": url,
                    "lake": str(lake),
                    "limits": {"max_connections": 16},
                },
            },
        )["id"]
        for number in range(tables)
    ]


def herd(api: overhead.Api, deployments: list[str]) -> float:
    """Seconds from the moment all runs are due to the end of the last."""
    due = time.time() + 0.05 * len(deployments) + 3
    tag = overhead.create(api, deployments, due - time.time())
    overhead.until(lambda: overhead.finished(api, tag) >= len(deployments), 1800)
    runs = []
    for offset in range(0, len(deployments), 200):
        body = {"flow_runs": {"tags": {"all_": [tag]}}, "offset": offset, "limit": 200}
        runs += api.ask("POST", "/flow_runs/filter", body)
    failed = [run["state"]["message"] for run in runs if run["state_type"] != "COMPLETED"]
    assert not failed, failed[:3]
    return max(ended(run) for run in runs) - due


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--rows", default="100,1000,10000,100000")
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print("| rows a table | monolith s/table | herd s/table | monolith / herd |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="duckherd-bench-") as name:
        folder = Path(name)
        os.environ.update(PREFECT_HOME=name, PREFECT_LOGGING_LEVEL="WARNING")
        (folder / "source").mkdir()
        command = [sys.executable, "-m", "duckherd.worker", "--pool", "bench-warm"]
        command += ["--limit", str(options.limit)]
        with (
            servers.postgres(folder / "source") as url,
            overhead.server(folder) as (api, _),
            overhead.process(command, folder / "worker.log"),
        ):
            time.sleep(20)  # start-up is no part of a table's cost
            for rows in map(int, options.rows.split(",")):
                compare(api, url, folder, rows, options)


def compare(api: overhead.Api, url: str, folder: Path, rows: int, options: object) -> None:
    fill(url, options.tables, rows)
    deployments = deploy(api, url, folder / "herd", options.tables, rows)
    overhead.warm_up(api, deployments[: options.limit])
    times: list[tuple[float, float]] = [
        (monolith(api, url, folder / "monolith"), herd(api, deployments))
        for _ in range(options.repeat)
    ]
    one, many = (statistics.median(side) / options.tables for side in zip(*times, strict=True))
    print(f"| {rows:,} | {one:.3f} | {many:.3f} | {one / many:.2f} |", flush=True)
    drop(url, rows)


if __name__ == "__main__":
    main()
