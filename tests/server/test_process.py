"""Nothing we start outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from duckherd.server.process import Guarded, ProcessEnded
from servers import wait_until

STUBBORN = """
import os, signal, subprocess, sys, time
folder = sys.argv[1]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
nested = "import os,signal,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" \
         "open(sys.argv[1] + '/' + str(os.getpid()), 'w'); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", nested, folder])
subprocess.Popen([sys.executable, "-c", nested, folder], start_new_session=True)
open(folder + "/" + str(os.getpid()), "w")
time.sleep(600)
"""
"""A command that, with a child and a child in a session of its own, ignores SIGTERM."""


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended but was not waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pids(folder: Path) -> list[int]:
    """Processes that left their number in the folder."""
    return [int(path.name) for path in folder.iterdir()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the started processes leave their numbers."""
    path = tmp_path / "pids"
    path.mkdir()
    return path


def test_stop_ends_all_descendants(folder, tmp_path):
    """Children that ignore SIGTERM or left the session are gone when stop returns."""
    command = [sys.executable, "-c", STUBBORN, str(folder)]
    process = Guarded("server", command, env=os.environ, log=tmp_path / "log", grace=0.5)
    wait_until(lambda: len(pids(folder)) == 3, "the command", 20)
    process.stop()
    assert [pid for pid in pids(folder) if alive(pid)] == []
    process.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_death_of_the_starter_ends_all_descendants(folder, tmp_path, number):
    """Even SIGKILL of the process that started a command leaves no orphan."""
    script = (
        "import os, sys, time; from pathlib import Path;"
        "from duckherd.server.process import Guarded;"
        "Guarded('x', [sys.executable, '-c', sys.argv[3], sys.argv[1]], env=os.environ,"
        " log=Path(sys.argv[2]), grace=0.5); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(tmp_path / "log"), STUBBORN],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(pids(folder)) == 3, "the command", 20)
    starter.send_signal(number)
    starter.wait()
    wait_until(lambda: not any(map(alive, pids(folder))), "the end of all", 20)


def test_command_that_ends_leaves_no_children(tmp_path):
    """When a command ends by itself, what it left running is ended too."""
    script = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '600']);"
        "print(child.pid, flush=True); sys.exit(7)"
    )
    log = tmp_path / "log"
    process = Guarded("worker", [sys.executable, "-c", script], env=os.environ, log=log)
    wait_until(lambda: not process.running(), "the end", 20)
    assert not alive(int(log.read_text()))
    with pytest.raises(ProcessEnded, match="worker ended with code 7"):
        process.check()


def test_a_command_that_listens_ends_by_itself(tmp_path):
    """A command that obeys SIGTERM is given its grace and not killed."""
    script = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(0.3); print('tidy', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    process = Guarded("server", [sys.executable, "-c", script], env=os.environ, log=log)
    wait_until(lambda: "up" in log.read_text(), "the command", 20)
    process.stop()
    assert log.read_text().split() == ["up", "tidy"]
