"""Processes that end with the one that started them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from duckherd.errors import DuckherdError


class ProcessEnded(DuckherdError):
    """A process of ours ended although nobody asked it to."""


class Guarded:
    """A running command, kept by a guard (see `duckherd.server.guard`).

    Args:
        name: what people call it, e.g. `worker`.
        command: program and arguments.
        env: the whole environment.
        log: file that receives its output, appended to.
        grace: seconds it has to end by itself when stopped.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        grace: float = 20.0,
    ) -> None:
        self.name = name
        self.log = log
        self._grace = grace
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._log_start = out.tell()
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "duckherd.server.guard", str(grace), *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(env),
                # Ctrl-C reaches only the command the user sees; it then stops us in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the guard."""
        return self._guard.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._guard.poll() is None

    def check(self) -> None:
        """Raise ProcessEnded, with the end of its log, when it is not running."""
        if not self.running():
            raise ProcessEnded(
                f"the {self.name} ended with code {self._guard.returncode}:\n{self.last_words()}",
                hint=f"its log is {self.log}",
            )

    def last_words(self, lines: int = 12) -> str:
        """The last lines of the log written since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])

    def stop(self) -> None:
        """Stop it and all its descendants, and wait until they are gone. May be repeated."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            self._guard.wait(self._grace + 10)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
