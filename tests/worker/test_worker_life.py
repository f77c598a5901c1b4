"""Workers that stop, share a pool, lose their server or meet a Prefect they do not know."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import servers
from duckherd.worker import server_settings
from warm_herd import Herd, wait_for, warm_worker

SECONDS_TO_STOP = 60


@pytest.fixture
def other(herd: Herd) -> Herd:
    """The same API with a pool of its own that nobody serves yet."""
    name = f"pool-{herd.file().name}"
    template = herd.ask("GET", f"/work_pools/{herd.pool}")["base_job_template"]
    herd.ask("POST", "/work_pools/", {"name": name, "type": "warm", "base_job_template": template})
    return Herd(herd.api, herd.http, name, herd.folder)


def test_a_stopping_worker_finishes_its_runs(other: Herd, code: Path, tmp_path: Path) -> None:
    """SIGTERM: what runs completes, what waits stays for other workers, nothing is left over."""
    out = other.file()
    with warm_worker(other.api, other.pool, code, tmp_path / "log", "--limit", "1") as worker:
        run = other.start(other.deploy("warm_flows.sleeper"), out=str(out), seconds=4)
        pid = int(wait_for(out))
        waiting = other.start(other.deploy("warm_flows.tell"), out=str(other.file()))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(SECONDS_TO_STOP) == 0
    assert other.get(run)["state_name"] == "Completed"
    assert other.get(waiting)["state_type"] == "SCHEDULED"
    assert not Path(f"/proc/{pid}").exists()


def test_a_stopping_worker_hands_back_what_takes_too_long(
    other: Herd, code: Path, tmp_path: Path
) -> None:
    """Runs that outlast the grace are rescheduled and run by the next worker."""
    out = other.file()
    deployment = other.deploy("warm_flows.sleeper")
    patience = {"DUCKHERD_SHUTDOWN_SECONDS": "0.5"}
    with warm_worker(other.api, other.pool, code, tmp_path / "one", **patience) as worker:
        run = other.start(deployment, out=str(out), seconds=12)
        wait_for(out)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(SECONDS_TO_STOP) == 0
    assert other.get(run)["state_type"] == "SCHEDULED"
    assert not Path(f"{out}.done").exists()
    with warm_worker(other.api, other.pool, code, tmp_path / "two"):
        assert other.wait(run)["state_name"] == "Completed"


def test_two_workers_share_a_pool(other: Herd, code: Path, tmp_path: Path) -> None:
    """Each run is run once, by one of them."""
    deployment = other.deploy("warm_flows.sleeper")
    with (
        warm_worker(other.api, other.pool, code, tmp_path / "one", "--limit", "1"),
        warm_worker(other.api, other.pool, code, tmp_path / "two", "--limit", "1"),
    ):
        runs = [other.start(deployment, out=str(other.file()), seconds=2) for _ in range(6)]
        found = [other.wait(run) for run in runs]
    assert {(run["state_name"], run["run_count"]) for run in found} == {("Completed", 1)}
    assert len({run["infrastructure_pid"] for run in found}) == 2


def test_prefect_starts_the_worker_by_its_type(other: Herd, code: Path, tmp_path: Path) -> None:
    """`prefect worker start --type warm` finds the worker through its entry point."""
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--type",
        "warm",
        "--pool",
        other.pool,
    ]
    env = {"PREFECT_API_URL": other.api, "PYTHONPATH": str(code)}
    with servers.process(command, log, env=env):
        out = other.file()
        run = other.run(other.deploy("warm_flows.tell"), out=str(out))
        assert run["state_name"] == "Completed"


def test_an_unknown_prefect_is_left_to_its_own_ways(
    other: Herd, code: Path, tmp_path: Path
) -> None:
    """Outside the tested versions the worker says so and starts a process for each run."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "known = m.version\n"
        "m.version = lambda name: '9.9.9' if name == 'prefect' else known(name)\n"
    )
    log = tmp_path / "log"
    path = f"{tmp_path}:{code}"
    with warm_worker(other.api, other.pool, code, log, PYTHONPATH=path):
        out = other.file()
        run = other.run(other.deploy("warm_flows.tell"), out=str(out))
        assert run["state_name"] == "Completed"
    assert "Prefect 9.9.9 is installed" in log.read_text()
    assert json.loads(out.read_text())["runs"] == 1


def test_runs_survive_a_restart_of_the_server(
    postgres_url: str, code: Path, tmp_path: Path
) -> None:
    """A run in flight completes, later runs are taken, cancelling works again."""
    port = str(servers.free_port())
    url = postgres_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    env = {"PREFECT_API_DATABASE_CONNECTION_URL": url, **server_settings()}
    with httpx.Client(timeout=30) as http:
        first = _serve(port, tmp_path, env)
        herd = Herd(f"http://127.0.0.1:{port}/api", http, "herd", tmp_path)
        with warm_worker(herd.api, "herd", code, tmp_path / "log", "--limit", "2"):
            out = herd.file()
            run = herd.start(herd.deploy("warm_flows.sleeper"), out=str(out), seconds=8)
            wait_for(out)
            first.terminate()
            first.wait()
            second = _serve(port, tmp_path, env)
            try:
                assert herd.wait(run, seconds=120)["state_name"] == "Completed"
                again = herd.file()
                run = herd.start(herd.deploy("warm_flows.cancellable"), out=str(again))
                wait_for(again)
                herd.set_state(run, "CANCELLING", "Cancelling")
                assert herd.wait(run)["state_name"] == "Cancelled"
            finally:
                second.terminate()
                second.wait()


def _serve(port: str, folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    import os

    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--no-ui",
        ],
        env={**os.environ, "PREFECT_HOME": str(folder), **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    servers.wait_until(lambda: servers.answers(f"http://127.0.0.1:{port}/api/health"), "Prefect")
    return process
