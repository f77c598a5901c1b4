"""Which warm process takes a run: reused, newly forked, or forked from a fresh server."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Literal

from duckherd.worker.process import ForkServer, ProcessGone, ProcessKey, WarmProcess

Isolation = Literal["reuse", "fork"]

MAX_SERVERS = 4
"""Fork servers kept for different environments; the longest unused one goes first."""
_START_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What kind of process a run needs."""

    key: ProcessKey
    isolation: Isolation
    max_runs: int
    """Runs after which a reused process is replaced."""
    max_rss_bytes: int
    """Resident memory above which a process is replaced after its run."""
    preload: str | None = None
    """Module to import before forking, for `fork`."""

    @property
    def runs_per_process(self) -> int:
        return 1 if self.isolation == "fork" else self.max_runs


class WarmPool:
    """Keeps warm processes between runs, at most `max_idle` of them."""

    def __init__(self, max_idle: int) -> None:
        self._max_idle = max_idle
        self._servers: OrderedDict[ProcessKey, ForkServer] = OrderedDict()
        self._starting: defaultdict[ProcessKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._idle: dict[WarmProcess, ProcessSpec] = {}
        self._not_preloadable: set[tuple[ProcessKey, str]] = set()
        self._busy: set[WarmProcess] = set()
        self._retired: set[ForkServer] = set()

    async def acquire(self, spec: ProcessSpec) -> WarmProcess:
        """A process nobody else uses.

        Raises:
            ProcessGone: fork servers die as soon as they are started.
        """
        process = self._take_idle(spec) or await self._fork(spec)
        self._busy.add(process)
        return process

    def release(self, process: WarmProcess, spec: ProcessSpec, *, reusable: bool) -> None:
        """Give a process back after it has answered or ended."""
        self._busy.discard(process)
        if not reusable or spec.isolation == "fork" or not process.server.usable:
            process.retire()
            return
        self._idle[process] = spec
        while len(self._idle) > self._max_idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.retire()

    def discard_code(self, key: ProcessKey) -> None:
        """Forget the fork server of this key and its idle processes: their code is old."""
        server = self._servers.pop(key, None)
        if server is not None:
            self._retire(server)
        self._not_preloadable = {pair for pair in self._not_preloadable if pair[0] != key}

    async def prewarm(self, key: ProcessKey) -> None:
        """Start the fork server of a key before its first run."""
        with contextlib.suppress(ProcessGone, OSError):
            await self._server(key)

    async def close(self, seconds: float) -> None:
        """End all processes; what has not ended by itself in time is killed."""
        for key in list(self._servers):
            self.discard_code(key)
        waiting = [asyncio.create_task(server.process.wait()) for server in self._retired]
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=seconds)
        for server in self._retired if late else ():
            server.kill()
        if late:
            await asyncio.wait(late, timeout=seconds)

    def _take_idle(self, spec: ProcessSpec) -> WarmProcess | None:
        if spec.isolation == "fork":
            return None
        for process in reversed(self._idle):  # the one used last is the warmest
            if self._idle[process] == spec:
                del self._idle[process]
                if process.alive:
                    return process
                return self._take_idle(spec)
        return None

    async def _fork(self, spec: ProcessSpec) -> WarmProcess:
        for _ in range(_START_ATTEMPTS):
            server = await self._server(spec.key)
            if spec.preload and spec.isolation == "fork":
                await self._preload(server, spec.key, spec.preload)
                if not server.usable:
                    continue
            with contextlib.suppress(ProcessGone):
                return await server.fork(spec.runs_per_process, spec.max_rss_bytes)
        raise ProcessGone

    async def _preload(self, server: ForkServer, key: ProcessKey, module: str) -> None:
        if (key, module) in self._not_preloadable:
            return
        result = await server.preload(module)
        if result is not None and result.problem:
            self._not_preloadable.add((key, module))

    async def _server(self, key: ProcessKey) -> ForkServer:
        async with self._starting[key]:
            server = self._servers.get(key)
            if server is None or not server.usable:
                if server is not None:
                    self._retire(server)
                server = self._servers[key] = await ForkServer.start(key)
            self._servers.move_to_end(key)
            self._retire_unused()
            return server

    def _retire_unused(self) -> None:
        for key, server in list(self._servers.items()):
            if len(self._servers) <= MAX_SERVERS:
                return
            if not any(process.server is server for process in self._busy):
                del self._servers[key]
                self._retire(server)

    def _retire(self, server: ForkServer) -> None:
        for process in [one for one in self._idle if one.server is server]:
            del self._idle[process]
            process.retire()
        server.retire()
        self._retired = {one for one in self._retired if one.process.returncode is None}
        self._retired.add(server)
