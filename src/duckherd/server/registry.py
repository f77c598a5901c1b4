"""The one local server of a Prefect home: who runs it, and where it answers.

Two servers on one SQLite database block each other, so a local server holds an exclusive
lock as long as it lives. The operating system drops the lock with its holder, however that
ended; the text of the file is only a description and means nothing without the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from duckherd.errors import DuckherdError


@dataclass(frozen=True, slots=True)
class Running:
    """The local server of a Prefect home.

    Attributes:
        command: what started it, e.g. `duckherd up`.
        pid: process id of that command.
        url: its API; None while it starts.
    """

    command: str
    pid: int
    url: str | None = None


class AlreadyRunning(DuckherdError):
    """Another command of ours runs the local server of this Prefect home."""

    def __init__(self, running: Running) -> None:
        where = f" at {running.url}" if running.url else ""
        super().__init__(
            f"`{running.command}` (process {running.pid}) already runs the local server{where}",
            hint=f"use it as it is, or end it first: kill {running.pid}",
        )
        self.running = running


class Claim:
    """The right to run the local server, while `claim` is open."""

    def __init__(self, path: Path, running: Running) -> None:
        self._path = path
        self._running = running
        self.publish(None)

    def publish(self, url: str | None) -> None:
        """Tell other commands where the server answers."""
        record = asdict(self._running) | {"url": url}
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(record))
        part.replace(self._path)


@contextmanager
def claim(home: Path, command: str) -> Iterator[Claim]:
    """Be the only one who runs a local server on this home. Raises AlreadyRunning."""
    folder = home / "duckherd"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_described(folder)) from None
        path = folder / "server.json"
        try:
            yield Claim(path, Running(command, os.getpid()))
        finally:
            path.unlink(missing_ok=True)


def running(home: Path) -> Running | None:
    """The local server that a command of ours runs on this home; None where there is none."""
    folder = home / "duckherd"
    try:
        with (folder / "server.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _described(folder)
    return None


def _described(folder: Path) -> Running:
    try:
        return Running(**json.loads((folder / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return Running("another duckherd command", 0)
