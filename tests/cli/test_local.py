"""Commands that start a server of their own, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from duckherd.cli import main
from duckherd.server.registry import claim, running
from servers import answers, free_port, wait_until
from warm_herd import Herd


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A Prefect home in which no server runs."""
    path = tmp_path / "home"
    monkeypatch.setenv("PREFECT_HOME", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def processes_of(home: Path) -> list[str]:
    """Command lines of the processes whose environment names this Prefect home."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and str(home).encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if "pytest" not in line]


def test_up_holds_server_and_worker_and_stops_both(home, capsys):
    """`up` serves until it is told to end; a second one and a taken port are refused."""
    port = free_port()
    command = [sys.executable, "-m", "duckherd.cli", "up", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up:
        lines = iter(up.stderr.readline, "")
        told = next(line for line in lines if "Prefect UI" in line)
        assert f"http://127.0.0.1:{port}" in told
        assert answers(f"http://127.0.0.1:{port}/api/health")
        assert running(home).url == f"http://127.0.0.1:{port}/api"

        assert main(["up"]) == 2
        assert f"`duckherd up` (process {up.pid}) already runs" in capsys.readouterr().err
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_HOME", str(home / "other"))
            assert main(["up", "--port", str(port)]) == 2
        assert f"port {port} of 127.0.0.1 cannot be used" in capsys.readouterr().err

        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0
    assert processes_of(home) == []
    assert running(home) is None


@pytest.mark.slow
def test_up_holds_two_hundred_runs_at_once(home, monkeypatch):
    """Eight at a time on its own database: all complete, and nothing was ever locked."""
    (home.parent / "herd_flows.py").write_text(
        "from prefect import flow, task\n@task\ndef step(): ...\n"
        "@flow\ndef small(): step(); step(); step()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(home.parent))
    port = free_port()
    command = [sys.executable, "-m", "duckherd.cli", "up", "--port", str(port), "--limit", "8"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up,
        httpx.Client() as http,
    ):
        assert any("Ctrl-C stops" in line for line in iter(up.stderr.readline, ""))
        herd = Herd(f"http://127.0.0.1:{port}/api", http, "herd", home.parent)
        deployments = [herd.deploy("herd_flows.small") for _ in range(20)]
        runs = [herd.start(deployment) for deployment in deployments for _ in range(10)]
        ends = {herd.wait(run, seconds=240)["state_name"] for run in runs}
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0
    assert ends == {"Completed"}
    logs = "".join(log.read_text() for log in home.rglob("*.log"))
    assert "herd" in logs
    assert "locked" not in logs.lower()


def test_killed_up_leaves_nothing(home):
    """When `up` is killed outright, database, server and worker end too."""
    command = [sys.executable, "-m", "duckherd.cli", "up", "--port", str(free_port())]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up:
        assert "Starting" in up.stderr.readline()
        wait_until(lambda: "uvicorn" in str(processes_of(home)), "the server")
        up.kill()
    wait_until(lambda: processes_of(home) == [], "the end of all")


def test_claim_is_exclusive_and_dropped_with_its_holder(home):
    """Only one holds the local server; the claim of a process that died does not count."""
    script = (
        "import os, sys; from pathlib import Path; from duckherd.server.registry import claim\n"
        "with claim(Path(sys.argv[1]), 'duckherd run') as it:\n"
        "    it.publish('http://127.0.0.1:1/api'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert running(home).command == "duckherd run"
        holder.kill()
    assert running(home) is None
    with claim(home, "duckherd up"):
        assert running(home).pid == os.getpid()


def test_demo_is_true(home, capsys):
    """The demo ends well on a small sample, by a private server of which nothing is left."""
    assert main(["demo", "--scale", "0.01"]) == 0
    said = capsys.readouterr().out
    assert "35 tables: 34 ok, 1 failed" in said
    assert "main.shipments  failed: 1 of 2 checks" in said
    assert "1 table: 1 ok" in said
    assert said.count("  ok    ") == 6
    assert "FALSE" not in said
    assert processes_of(home) == []


def test_demo_leaves_other_folders_alone(home, capsys):
    """A folder that holds anything but an earlier demo is refused and kept."""
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    assert main(["demo", "mine"]) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert Path("mine/thesis.txt").read_text() == "all of it"


def test_run_without_project_says_how_to_make_one(home, capsys):
    """Without server and project file, `run` says how to make the file."""
    assert main(["run"]) == 2
    assert "duckherd init" in capsys.readouterr().err
    assert processes_of(home) == []
