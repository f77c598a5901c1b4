"""What one warm worker holds before and after many flow runs.

    python benchmarks/leaks.py [--runs 500] [--limit 4]

Counts processes, threads, file descriptors and memory of the worker and everything it
started, once each of its processes is warm and again after the runs. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

import overhead


def footprint(pid: int) -> dict[str, float]:
    """Processes, threads, file descriptors and MiB (PSS) of a tree of processes."""
    tree = overhead.tree(pid)
    threads = descriptors = 0
    for one in tree:
        with contextlib.suppress(OSError):
            threads += sum(1 for _ in Path(f"/proc/{one}/task").iterdir())
            descriptors += sum(1 for _ in Path(f"/proc/{one}/fd").iterdir())
    return {
        "processes": len(tree),
        "threads": threads,
        "file descriptors": descriptors,
        "memory MiB": round(overhead.memory(pid)),
    }


def measure(api: overhead.Api, runs: int, limit: int, folder: Path) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "duckherd.worker", "--pool", "bench-warm"]
    with overhead.process([*command, "--limit", str(limit)], folder / "worker.log") as worker:
        overhead.until(lambda: api.ask("GET", "/work_pools/bench-warm"))
        deployments = overhead.deploy(api, "reuse", 25)
        found = []
        for count in (60 * limit, runs):  # the caches of a process are full by then
            tag = overhead.create(api, (deployments * (count // 25 + 1))[:count], 0)
            overhead.until(lambda tag=tag, n=count: overhead.finished(api, tag) >= n, 900)
            time.sleep(4)
            found.append(footprint(worker.pid))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--limit", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="duckherd-leaks-") as name:
        folder = Path(name)
        (folder / "tiny_flows.py").write_text(overhead.FLOWS)
        os.environ.update(PREFECT_HOME=name, PYTHONPATH=name, PREFECT_LOGGING_LEVEL="WARNING")
        os.chdir(name)
        with overhead.server(folder) as (api, _):
            before, after = measure(api, options.runs, options.limit, folder)
    print(f"| | after warming up | after {options.runs} more flow runs |\n|---|---|---|")
    for what in before:
        print(f"| {what} | {before[what]:g} | {after[what]:g} |")


if __name__ == "__main__":
    main()
