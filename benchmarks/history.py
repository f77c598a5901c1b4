"""Whether the past answers in time, and truly, at 1,000 tables x 90 days on a real server.

    python benchmarks/history.py [--tables 1000] [--days 90] [--without-truth]

Starts a Prefect server on its embedded database and writes a simulated herd with known
faults into it (tests/simulator). Then, as people would, each command a process of its own:

1. the first fetch into an empty cache, and the next one;
2. the report: how long, how large;
3. the eight questions of docs/on-call.md;
4. the same past lived through: a fetch before and after every pause and removal, and every
   figure compared with what the simulator counted, slot by slot.

Prints a Markdown table of seconds by the clock and of CPU (ours + the server's). Exit code 1
when a limit is missed or a figure differs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import servers
from duckherd.api.client import Api
from duckherd.api.settings import ApiSettings
from duckherd.history.fetch import fetch
from duckherd.history.store import Store, cache_path
from duckherd.units import size
from simulator import database
from simulator.fixtures import QUIET, Simulated, live_through
from simulator.truth import FIGURES, Judgement, differences, judgement
from simulator.world import World, simulate

TABLE = "erp.hr.table_0001"
QUESTIONS = {
    "what failed, and why": ["digest"],
    "what is late": ["sla", "result:late", "result:missing"],
    "which runs should have started": ["status", "result:late"],
    "which step is the bottleneck": ["steps"],
    "what became slower": ["steps", "--regressions"],
    "what changed in the schema": ["changes", "--window", "2d"],
    "what did this run read and write": ["show", "RUN"],
    "which objective breaks next": ["sla", "--next"],
    "who owns it": ["show", TABLE],
    "what do I rerun (last line)": ["digest"],
}
ASKS_THE_SERVER = "status"
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    """One line of the result; `limit` in the unit of `value`, None for none."""

    what: str
    value: float
    limit: float | None
    cpu: str = ""

    @property
    def kept(self) -> bool:
        return self.limit is None or self.value < self.limit


@dataclass
class Clock:
    """Measures and keeps rows."""

    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def measured(self, what: str, limit: float | None = None) -> Iterator[None]:
        wall, own, others = time.perf_counter(), _own_cpu(), _servers_cpu()
        yield
        took = time.perf_counter() - wall
        cpu = f"{_own_cpu() - own:.2f} + {_servers_cpu() - others:.2f}"
        self.rows.append(Row(what, took, limit, cpu))
        print(f"{what}: {took:.2f} s, CPU {cpu}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--without-truth", action="store_true")
    asked = parser.parse_args()
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="duckherd-history-") as name:
        folder = Path(name)
        with clock.measured("(simulate)"):
            world = simulate(asked.tables, asked.days, datetime.now(UTC), uneven=True)
        with servers.prefect_server(folder, QUIET) as url:
            it = Simulated(url, folder / "prefect.db", world, folder / "lived.duckdb")
            with clock.measured(f"(write {len(world.runs):,} runs)"):
                database.write(world, it.database)
            commands(clock, it, folder)
            wrong = {} if asked.without_truth else truth(clock, it)
    _print(clock.rows, world, wrong, asked.without_truth)
    return int(bool(wrong) or not all(row.kept for row in clock.rows))


def commands(clock: Clock, it: Simulated, folder: Path) -> None:
    """Fetch twice, report, ask the eight questions."""
    cache = cache_path(it.url, folder)
    with Api(ApiSettings(it.url)) as api:
        # A second for a thousand runs; the server's own work is nearly all of it.
        for what, limit in (("first fetch", len(it.world.runs) / 1000), ("next fetch", 3)):
            with clock.measured(what, limit), Store(cache) as store:
                fetch(api, store, it.world.now)
    project(it.world, folder / "prefect.yaml")
    command = _runner(it, folder)
    report = folder / "report.html"
    with clock.measured("report", 5):
        command("report", "-o", str(report), "--offline")
    clock.rows.append(Row("report, MB", report.stat().st_size / 1e6, 3))
    with clock.measured("(status for the first time: reads every deployment)"):
        command("status")
    run = str(it.world.runs[-1].id)
    for question, asked in QUESTIONS.items():
        words = [run if word == "RUN" else word for word in asked]
        cached = words[0] != ASKS_THE_SERVER
        with clock.measured(f"{question}: `{' '.join(words)[:40]}`", 2 if cached else None):
            command(*words, *(["--offline"] if cached else []))


def project(world: World, path: Path) -> None:
    """The herd's `prefect.yaml`, an entry a table."""
    lines = ["deployments:"]
    # Prefect takes no name with < and >; the one that has them was written past its API.
    for table in (each for each in world.tables if "<" not in each.name):
        parameters = database.parameters(table, "postgresql://erp-db:5432/erp")
        lines += [
            f"  - name: {json.dumps(table.name)}",
            "    entrypoint: duckherd.flow.ingest_table",
            "    work_pool: {name: herd}",
            f"    schedules: [{{cron: {json.dumps(table.cron)}, timezone: Europe/Warsaw}}]",
            f"    tags: {json.dumps(table.tags)}",
            f"    parameters: {json.dumps(parameters)}",
        ]
    path.write_text("\n".join(lines) + "\n")


def _runner(it: Simulated, folder: Path) -> Callable[..., None]:
    environment = {
        **os.environ, "PREFECT_API_URL": it.url, "PREFECT_HOME": str(folder / "home"),
        "DUCKHERD_CACHE": str(folder),
    }  # fmt: skip

    def run(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "duckherd.cli", *words],
            env=environment, cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in {0, 1} or "Traceback" in done.stderr:
            raise SystemExit(f"{words}: {done.stderr}")

    return run


def truth(clock: Clock, it: Simulated) -> dict[str, list[object]]:
    """Live through the past, then compare every figure with the simulator's."""
    with clock.measured("(fetch before and after each change)"):
        live_through(it)
    with clock.measured("(judge and compare every slot)"), Store(it.cache) as store:
        judged: Judgement = judgement(it.world, store)
        return differences(judged)


def _print(rows: list[Row], world: World, wrong: dict[str, list[object]], skipped: bool) -> None:
    print(f"{len(world.tables):,} tables, {len(world.runs):,} runs, {size(_peak())} peak memory")
    print("\n| what | seconds | limit | CPU s, ours + the server's | |\n|---|--:|--:|--:|---|")
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:g}"
        verdict = "" if row.limit is None else "kept" if row.kept else "MISSED"
        print(f"| {row.what} | {row.value:.2f} | {limit} | {row.cpu} | {verdict} |")
    if not skipped:
        print(f"\n{len(world.truth):,} slots of {dict(world.counts())}")
        print(f"figures compared: {', '.join(FIGURES)}")
        for name, keys in wrong.items():
            print(f"DIFFERENT: {name}: {len(keys):,}, for example {keys[:3]}")
        print("no figure differs" if not wrong else "")


def _own_cpu() -> float:
    """Seconds of this process and of commands that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _servers_cpu() -> float:
    """Seconds of children that go on: the server's processes. Linux only (/proc)."""
    return sum(_cpu_of(pid) for pid in _below(os.getpid()))


def _below(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _below(child)


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
