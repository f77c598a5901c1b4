"""What a flow run of three no-op tasks costs, by the way it is started.

    python benchmarks/overhead.py [--runs 100] [--slow-runs 12] [--limit 4] [--repeat 3]

Starts the Prefect server of `duckherd up`, its PostgreSQL included, then for each way of
starting runs: N deployments, one run of each, all due at once. Prints a Markdown table of
medians over the repetitions. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from duckherd.server.local import local_server
from duckherd.worker import server_settings

FLOWS = """
from prefect import flow, task

@task
def one(): return 1

@task
def two(x): return x + 1

@task
def three(x): return x + 1

@flow
def tiny(n: int = 0): three(two(one()))

@flow
def monolith(n: int):
    for _ in range(n): three(two(one()))

if __name__ == "__main__":
    import sys
    from prefect import serve
    if sys.argv[1] == "serve":
        serve(*[tiny.to_deployment(f"serve-{i}") for i in range(int(sys.argv[2]))],
              limit=int(sys.argv[3]), pause_on_shutdown=False)
    else:
        monolith(int(sys.argv[2]))
"""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Per flow run: seconds of wall, seconds of CPU; memory in MiB of the whole tree."""

    wall: float
    client_cpu: float
    server_cpu: float
    memory: float


class Api:
    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: object = None) -> object:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"content-type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def stat(pid: int) -> list[int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [p for child in children.read_text().split() for p in tree(int(child))]
    return found


def cpu(pid: int) -> float:
    """CPU seconds of a tree, with children that were waited for."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(stat(one))
    return total / TICKS


def memory(pid: int) -> float:
    """MiB of a tree; pages shared by several processes count once (PSS)."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in text.splitlines() if "Pss:" in line)
    return total / 1024


@contextlib.contextmanager
def process(command: list[str], log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        child = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT if "serve" in command else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(40)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def until(ready: object, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if ready():
                return
        time.sleep(0.5)  # each look costs the server as much as a twentieth of a run
    raise TimeoutError


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[Api, int]]:
    """The server of `duckherd up`, for every way of starting runs; its process id."""
    with local_server(folder, server_settings(automations=True), command="benchmark") as started:
        os.environ["PREFECT_API_URL"] = started.url
        yield Api(started.url), started.process.pid


def measure(api: Api, mode: str, runs: int, limit: int, server_pid: int, folder: Path) -> Cost:
    if mode == "monolith":
        return measure_monolith(runs, server_pid)
    if mode == "serve":
        command = [sys.executable, "tiny_flows.py", "serve", str(runs), str(limit)]
    else:
        kind = "process" if mode == "process" else "warm"
        command = [sys.executable, "-m", "prefect", "worker", "start", "--type", kind]
        command += ["--pool", f"bench-{kind}", "--limit", str(limit)]
    with process(command, folder / f"{mode}.log") as client:
        time.sleep(20)  # start-up, and the fork server's import, are no part of a run
        deployments = deploy(api, mode, runs)
        warm_up(api, deployments[:limit])
        return measure_runs(api, deployments, server_pid, client.pid)


def deploy(api: Api, mode: str, runs: int) -> list[str]:
    if mode == "serve":
        body = {"deployments": {"name": {"like_": "serve-"}}, "limit": 200}
        until(lambda: len(api.ask("POST", "/deployments/filter", body)) >= runs)
        return [one["id"] for one in api.ask("POST", "/deployments/filter", body)][:runs]
    flow = api.ask("POST", "/flows/", {"name": "tiny"})["id"]
    pool = "bench-process" if mode == "process" else "bench-warm"
    body = {"flow_id": flow, "entrypoint": "tiny_flows.tiny", "work_pool_name": pool}
    if mode != "process":
        body["job_variables"] = {"isolation": mode}
    names = [f"{mode}-{number}" for number in range(runs)]
    return [api.ask("POST", "/deployments/", {**body, "name": name})["id"] for name in names]


def create(api: Api, deployments: list[str], seconds: float) -> tuple[str, list[str]]:
    """One run of each, all due in so many seconds; the tag they share."""
    tag = f"bench-{time.time_ns()}"
    due = datetime.fromtimestamp(time.time() + seconds).astimezone().isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
    body = {"state": state, "tags": [tag]}
    for deployment in deployments:
        api.ask("POST", f"/deployments/{deployment}/create_flow_run", body)
    return tag


def finished(api: Api, tag: str) -> int:
    final = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}
    body = {"flow_runs": {"tags": {"all_": [tag]}, "state": final}}
    return api.ask("POST", "/flow_runs/count", body)


def warm_up(api: Api, deployments: list[str]) -> None:
    tag = create(api, deployments, 0)
    until(lambda: finished(api, tag) >= len(deployments))


def measure_runs(api: Api, deployments: list[str], server_pid: int, client_pid: int) -> Cost:
    start = time.time() + 0.05 * len(deployments) + 5
    tag = create(api, deployments, start - time.time())
    time.sleep(max(0.0, start - time.time()))
    before = cpu(server_pid), cpu(client_pid)
    until(lambda: finished(api, tag) >= len(deployments), 900)
    peak = memory(client_pid)
    time.sleep(3)  # logs and events still on their way belong to the runs
    after = cpu(server_pid), cpu(client_pid)
    ends = []
    for offset in range(0, len(deployments), 200):
        body = {"flow_runs": {"tags": {"all_": [tag]}}, "offset": offset, "limit": 200}
        found = api.ask("POST", "/flow_runs/filter", body)
        assert all(run["state_type"] == "COMPLETED" for run in found), found
        ends += [datetime.fromisoformat(run["end_time"]).timestamp() for run in found]
    runs = len(deployments)
    server_cpu, client_cpu = ((b - a) / runs for a, b in zip(before, after, strict=True))
    return Cost((max(ends) - start) / runs, client_cpu, server_cpu, peak)


def measure_monolith(runs: int, server_pid: int) -> Cost:
    before, start = cpu(server_pid), time.monotonic()
    child = subprocess.Popen([sys.executable, "tiny_flows.py", "monolith", str(runs)])
    peak = 0.0
    while child.poll() is None:
        peak = max(peak, memory(child.pid))
        time.sleep(0.1)
    wall = time.monotonic() - start
    time.sleep(3)
    return Cost(
        wall / runs,
        CHILDREN.since() / runs,
        (cpu(server_pid) - before) / runs,
        peak,
    )


class _Children:
    """CPU of children this script has waited for, since it was asked last."""

    def __init__(self) -> None:
        self.last = 0.0

    def since(self) -> float:
        used = os.times()
        total = used.children_user + used.children_system
        self.last, before = total, self.last
        return total - before


CHILDREN = _Children()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--slow-runs", type=int, default=12, help="runs of the slow ways")
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--modes", default="process,serve,fork,reuse,monolith")
    options = parser.parse_args()
    # In the background a shell ignores SIGINT for its children, and Prefect ends by that signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="duckherd-bench-") as name:
        folder = Path(name)
        (folder / "tiny_flows.py").write_text(FLOWS)
        os.environ.update(PREFECT_HOME=name, PYTHONPATH=name, PREFECT_LOGGING_LEVEL="WARNING")
        os.chdir(name)
        with server(folder) as (api, server_pid):
            costs: dict[str, list[Cost]] = {}
            for _ in range(options.repeat):
                for mode in options.modes.split(","):
                    runs = options.slow_runs if mode in {"process", "serve"} else options.runs
                    CHILDREN.since()
                    cost = measure(api, mode, runs, options.limit, server_pid, folder)
                    costs.setdefault(mode, []).append(cost)
                    print(mode, cost, file=sys.stderr, flush=True)
    table(costs)


def table(costs: dict[str, list[Cost]]) -> None:
    print("| started by | wall s/run | client CPU s/run | server CPU s/run | memory MiB | faster |")
    print("|---|---|---|---|---|---|")
    base = statistics.median(c.wall for c in costs["process"]) if "process" in costs else 0.0
    for mode, all_ in costs.items():
        wall, client, server_, memory_ = (
            statistics.median(getattr(one, name) for one in all_)
            for name in ("wall", "client_cpu", "server_cpu", "memory")
        )
        print(
            f"| {mode} | {wall:.3f} | {client:.3f} | {server_:.3f} | {memory_:.0f} "
            f"| {base / wall:.1f}x |"
        )


if __name__ == "__main__":
    main()
