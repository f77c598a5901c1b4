"""Run a command that ends, with all its descendants, when whoever started it ends.

`python -m duckherd.server.guard GRACE COMMAND...` holds a pipe as its standard input.
The pipe's end of file means stop, whether its writer closed it or was killed: no
signal handler of the writer has to run. On stop the command gets SIGTERM and GRACE
seconds; whatever is left of its descendants then gets SIGKILL. The exit code is the
command's.

A process of its own, because a process that was killed can clean up nothing, and
only the standard library, because it is started often and must answer at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    """Guard one command until it ends or standard input does."""
    grace, command = float(arguments[0]), arguments[1:]
    wake = _wake_on(signal.SIGCHLD, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # Safe here: this process has one thread. It covers a guard that is killed itself.
        preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509
    ) as child:
        _wait(child, wake)
        _terminate(child, grace)
        _end_descendants(child.pid)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _wait(child: subprocess.Popen[bytes], wake: int) -> None:
    """Until the child ends, the pipe ends or SIGTERM comes."""
    while child.poll() is None:
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 4096):
            return
        if wake in ready and signal.SIGTERM in os.read(wake, 4096):
            return


def _terminate(child: subprocess.Popen[bytes], grace: float) -> None:
    """Only the command itself is asked: it knows best how to end its own children."""
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end_descendants(group: int) -> None:
    """End what the command left behind: SIGTERM for a second, then SIGKILL."""
    deadline = time.monotonic() + 1
    while left := _descendants(os.getpid()) or _group(group):
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
        time.sleep(0.05)
        _reap()


def _descendants(process: int) -> list[int]:
    """Descendants of a process, deepest first; empty where there is no /proc."""
    children = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += [int(child) for child in task.read_text().split()]
    return [pid for child in children for pid in (*_descendants(child), child)]


def _group(leader: int) -> list[int]:
    """The command's process group as `os.kill` takes it, empty when it is gone."""
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        return []
    return [-leader]


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _wake_on(*signals: signal.Signals) -> int:
    """A file descriptor that becomes readable, holding the number, when a signal comes."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return read


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the pipe and the process group have to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
