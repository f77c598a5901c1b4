"""A warm worker as a process of ours, polling one work pool."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from duckherd.api.client import Api
from duckherd.api.work_pools import ensure_work_pool, online_workers
from duckherd.errors import DuckherdError, UsageError
from duckherd.server.process import Guarded

START_SECONDS = 120.0
"""Longest wait for a worker's first heartbeat; it imports Prefect first."""

WARM = "warm"
"""Type of the work pools a warm worker polls."""


class WorkerNotReady(DuckherdError):
    """The worker runs but never reported to its work pool."""


@contextmanager
def local_worker(
    api: Api,
    pool: str,
    home: Path,
    *,
    limit: int | None = None,
    settings: Mapping[str, str] | None = None,
    wait: bool = True,
) -> Iterator[Guarded]:
    """Start a warm worker, stop it at the end.

    Args:
        api: of the server it works for; the work pool is made there if need be.
        pool: name of the work pool.
        home: its log is `duckherd/worker-<pool>.log` below it.
        limit: most flow runs at a time; the worker's own choice where None.
        settings: Prefect settings (environment names) beyond those in force.
        wait: until the work pool sees it.

    Raises:
        UsageError: the work pool is not one for warm workers.
        ProcessEnded, WorkerNotReady: it did not come up; the message ends with its log.
    """
    found = ensure_work_pool(api, pool, WARM)
    if found.type != WARM:
        raise UsageError(
            f"work pool {pool!r} is of type {found.type}, which a warm worker does not poll",
            hint=f"prefect worker start --pool {pool}, or choose another --pool",
        )
    name = f"duckherd-{os.getpid()}-{pool}"
    process = Guarded(
        "worker",
        _command(pool, name, limit),
        env={**os.environ, **(settings or {}), "PREFECT_API_URL": api.url},
        log=home / "duckherd" / f"worker-{_file_name(pool)}.log",
    )
    try:
        if wait:
            _wait_ready(process, api, pool, name)
        yield process
    finally:
        process.stop()


def _command(pool: str, name: str, limit: int | None) -> list[str]:
    command = [sys.executable, "-m", "duckherd.cli", "worker", "--pool", pool, "--name", name]
    return command if limit is None else [*command, "--limit", str(limit)]


def _wait_ready(process: Guarded, api: Api, pool: str, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process.check()
        if name in online_workers(api, pool):
            return
        time.sleep(0.2)
    raise WorkerNotReady(
        f"the worker did not report to work pool {pool!r} within {START_SECONDS:.0f} s:\n"
        f"{process.last_words()}",
        hint=f"its log is {process.log}",
    )


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in text)
