"""The worker's side of its fork servers and of the warm processes they fork."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from duckherd.worker import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN_EXIT_CODE = 1
"""Reported for a process whose fork server died before it could tell."""
_GRACE_FOR_EXIT_CODE = 2.0
"""Seconds to wait for the fork server to tell how a process ended."""


class ProcessGone(Exception):
    """A process ended before it answered."""


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """What two flow runs must have in common to share a process."""

    env: tuple[tuple[str, str], ...]
    """The whole environment except Prefect's variables of one run, sorted."""
    code_dir: str | None
    """Folder modules are imported from besides what is installed, or None."""

    @classmethod
    def of(cls, env: Mapping[str, str], code_dir: str | None) -> Self:
        return cls(tuple(sorted(env.items())), code_dir)


class WarmProcess:
    """One forked process and the stream to it. It runs one thing at a time."""

    def __init__(
        self,
        server: ForkServer,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.server = server
        self.pid = pid
        self.runs = 0
        self.exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reader = reader
        self._writer = writer

    async def ask(self, message: protocol.Run | protocol.Hooks) -> protocol.Message:
        """Have the process run something; wait until it has.

        Raises:
            ProcessGone: it ended without an answer; `exit_code` says how.
        """
        self.runs += 1
        await self.send(message)
        answer = await protocol.read(self._reader)
        if answer is None:
            await self._wait_for_exit_code()
            raise ProcessGone
        return answer

    async def send(self, message: protocol.Message) -> None:
        """Send a message; a process that is gone is noticed by whoever waits for it."""
        with contextlib.suppress(OSError):
            self._writer.write(protocol.encode(message))
            await self._writer.drain()

    @property
    def alive(self) -> bool:
        """Whether the process can take something to run."""
        return not self.exit_code.done() and not self._reader.at_eof()

    def retire(self) -> None:
        """Let the process end by itself: it flushes its logs and events first."""
        self._writer.close()

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and its subprocesses.

        Raises:
            ProcessLookupError: there is none left.
        """
        os.killpg(self.pid, number)

    async def _wait_for_exit_code(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.exit_code), _GRACE_FOR_EXIT_CODE)
        if not self.exit_code.done():
            self.exit_code.set_result(_UNKNOWN_EXIT_CODE)


@dataclass(eq=False)
class ForkServer:
    """A process that has imported Prefect and forks warm processes for one key."""

    key: ProcessKey
    process: asyncio.subprocess.Process
    control: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    children: dict[int, WarmProcess] = field(default_factory=dict)
    preloaded: dict[str, protocol.Preloaded] = field(default_factory=dict)
    usable: bool = True
    _births: asyncio.Queue[int | None] = field(default_factory=asyncio.Queue)
    _preloads: asyncio.Queue[protocol.Preloaded | None] = field(default_factory=asyncio.Queue)
    _early_exits: dict[int, int] = field(default_factory=dict)
    _forking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, key: ProcessKey) -> Self:
        """Start the process; it answers once it has imported Prefect."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # or the worker's own folder would come first on the path of every run
                "-m",
                "duckherd.worker.fork_server",
                str(theirs.fileno()),
                env=_environment(key),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at the terminal is for the worker alone
            )
        finally:
            theirs.close()
        control = ours.dup()
        control.settimeout(None)
        reader, writer = await asyncio.open_connection(sock=ours)
        server = cls(key, process, control, reader, writer)
        server._listening = asyncio.create_task(server._listen())
        return server

    async def fork(self, max_runs: int, max_rss_bytes: int) -> WarmProcess:
        """Fork one warm process.

        Raises:
            ProcessGone: the server itself is gone.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            frame = protocol.encode(protocol.Fork(max_runs, max_rss_bytes))
            async with self._forking:
                try:
                    socket.send_fds(self.control, [frame], [theirs.fileno()])
                    pid = await self._births.get()
                except OSError:
                    pid = None
        if pid is None:
            ours.close()
            self.usable = False
            raise ProcessGone
        reader, writer = await asyncio.open_connection(sock=ours)
        child = WarmProcess(self, pid, reader, writer)
        self.children[pid] = child
        if pid in self._early_exits:
            self._bury(pid, self._early_exits.pop(pid))
        return child

    async def preload(self, module: str) -> protocol.Preloaded | None:
        """Import a module in the server, once; None if the server is gone."""
        if module not in self.preloaded:
            self.preloaded[module] = protocol.Preloaded(module, imported=False)
            self.writer.write(protocol.encode(protocol.Preload(module)))
            result = await self._preloads.get()
            if result is None:
                return None
            self.preloaded[module] = result
            self.usable = self.usable and not (result.imported and result.problem)
        return self.preloaded[module]

    def retire(self) -> None:
        """Fork no more. The server waits for its children, then ends by itself."""
        self.usable = False
        with contextlib.suppress(OSError, RuntimeError):
            self.writer.write_eof()

    def kill(self) -> None:
        """End the server at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)

    async def _listen(self) -> None:
        while (message := await protocol.read(self.reader)) is not None:
            if isinstance(message, protocol.Forked):
                self._births.put_nowait(message.pid)
            elif isinstance(message, protocol.Preloaded):
                self._preloads.put_nowait(message)
            elif isinstance(message, protocol.Exited):
                self._bury(message.pid, message.exit_code)
        self.usable = False
        self.control.close()
        self.writer.close()
        self._births.put_nowait(None)
        self._preloads.put_nowait(None)
        await self.process.wait()

    def _bury(self, pid: int, exit_code: int) -> None:
        child = self.children.pop(pid, None)
        if child is None:
            self._early_exits[pid] = exit_code
        elif not child.exit_code.done():
            child.exit_code.set_result(exit_code)


def _environment(key: ProcessKey) -> dict[str, str]:
    env = dict(key.env)
    if key.code_dir:
        known = [env["PYTHONPATH"]] if env.get("PYTHONPATH") else []
        env["PYTHONPATH"] = os.pathsep.join([key.code_dir, *known])
    return env
