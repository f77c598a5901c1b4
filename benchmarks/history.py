"""How long history takes at 1,000 tables x 90 days on a real Prefect server.

    python benchmarks/history.py [--tables 1000] [--days 90]

Starts a Prefect server on its embedded database, writes the simulated herd into it, then
measures the first fetch, the next one, `report` and the questions of docs/on-call.md as
whole processes, and checks every slot against the simulator's truth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import servers
from duckherd.api.client import Api
from duckherd.api.settings import ApiSettings
from duckherd.history.fetch import fetch
from duckherd.history.store import Store, cache_path
from duckherd.history.tables import read_herd
from duckherd.sla.slots import slots
from simulator import database
from simulator.fixtures import QUIET
from simulator.world import simulate

QUESTIONS = (
    ["digest"], ["sla"], ["sla", "--next"], ["sla", "--by", "owner"], ["steps"],
    ["steps", "--regressions"], ["changes"], ["show", "erp.hr.table_0001"],
)  # fmt: skip


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    asked = parser.parse_args()
    world = simulate(asked.tables, asked.days, datetime.now(UTC), uneven=True)
    folder = Path(tempfile.mkdtemp(prefix="duckherd-history-"))
    with servers.prefect_server(folder, QUIET) as url:
        began = time.perf_counter()
        database.write(world, folder / "prefect.db")
        figures = {"runs": len(world.runs), "insert_s": _since(began)}
        cache = cache_path(url, folder)
        with Api(ApiSettings(url)) as api:
            for name in ("first_fetch_s", "next_fetch_s"):
                began = time.perf_counter()
                with Store(cache) as store:
                    fetch(api, store, world.now)
                figures[name] = _since(began)
        figures |= _truth(world, cache)
        environment = {**os.environ, "PREFECT_API_URL": url, "DUCKHERD_CACHE": str(folder)}
        report = folder / "report.html"
        figures["report_s"] = _run(["report", "-o", str(report), "--offline"], environment)
        figures["report_mb"] = round(report.stat().st_size / 1e6, 2)
        for question in QUESTIONS:
            figures[f"{' '.join(question)} s"] = _run([*question, "--offline"], environment)
    print(json.dumps(figures, indent=2))


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 2)


def _run(arguments: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "duckherd.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(done.stderr)
    return _since(began)


def _truth(world, cache: Path) -> dict[str, object]:
    """How many slots of tables that were neither paused nor removed differ from the truth."""
    changed = {table.name for table in world.tables if table.paused or table.removed}
    began = time.perf_counter()
    with Store(cache) as store:
        herd = read_herd(store, 0.0)
    ours = {
        (slot.table, slot.time): str(slot.outcome)
        for table in herd.tables
        for slot in slots(table.timeline, herd.runs.get(table.name, ()), 0.0, herd.now, herd.now)
        if slot.outcome != "open"
    }
    took = _since(began)
    theirs = {(name, due.timestamp()): outcome for (name, due), outcome in world.truth.items()}
    wrong = sum(
        ours.get(key) != theirs.get(key)
        for key in ours.keys() | theirs.keys()
        if key[0] not in changed
    )
    return {"slots": len(ours), "slots_wrong": wrong, "read_and_judge_s": took}


if __name__ == "__main__":
    main()
