"""`duckherd up`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from duckherd.api.client import Api
from duckherd.api.settings import ApiSettings, load_settings, prefect_home
from duckherd.cli.connection import Connection, local_server_settings, local_settings
from duckherd.cli.herd import pools_of, project_of
from duckherd.cli.output import message
from duckherd.cli.project import PROJECT_FILE, File
from duckherd.errors import ApiUnreachable
from duckherd.server.local import local_server
from duckherd.server.process import Guarded
from duckherd.server.worker import local_worker

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def up(
    *,
    port: int = 4200,
    pool: Annotated[list[str] | None, Parameter(negative=())] = None,
    limit: int | None = None,
    file: File = PROJECT_FILE,
) -> None:
    """Start a local Prefect server, work pool and worker.

    One terminal holds all three; Ctrl-C stops all that was started. The server keeps its
    database in your Prefect home. Where a Prefect API is configured and answers, that one is
    used and only the work pool and the worker are started.

    Args:
        port: Port of the server on this machine.
        pool: Work pool to make and to poll, may be repeated; those of the project file
            unless given, herd without a file.
        limit: Most flow runs at a time; twice the number of processors unless given.
    """
    pools = tuple(pool or pools_of(project_of(file)) or ["herd"])
    with _server(port) as connection, ExitStack() as stack:
        workers = [_start(connection, name, limit, stack) for name in pools]
        _tell(connection, pools, workers)
        _hold(workers + ([connection.private.process] if connection.private else []))


def _start(connection: Connection, pool: str, limit: int | None, stack: ExitStack) -> Guarded:
    message(f"Starting a worker for work pool {pool} ...")
    return stack.enter_context(local_worker(connection.api, pool, connection.home, limit=limit))


@contextmanager
def _server(port: int) -> Iterator[Connection]:
    settings, home = load_settings(), prefect_home()
    if settings.url and (_answers(settings) or not _is_here(settings.url, port)):
        with Api(settings) as api:
            api.get("health")
            message(f"Using the Prefect server at {api.url}")
            yield Connection(api, home)
        return
    message("Starting the Prefect server ...")
    with (
        local_server(home, local_server_settings(), command="duckherd up", port=port) as server,
        Api(local_settings(server.url)) as api,
    ):
        yield Connection(api, home, server)


def _answers(settings: ApiSettings) -> bool:
    with Api(settings, timeout=10) as api:
        try:
            api.get("health")
        except ApiUnreachable:
            return False
    return True


def _is_here(url: str, port: int) -> bool:
    """Whether the configured API is just what `up` would start."""
    parts = urlsplit(url)
    return parts.hostname in _LOOPBACK and parts.port == port and parts.scheme == "http"


def _tell(connection: Connection, pools: Sequence[str], workers: Sequence[Guarded]) -> None:
    message()
    message(f"  Prefect UI   {connection.api.ui_url}")
    for pool, worker in zip(pools, workers, strict=True):
        message(f"  Work pool    {pool}")
        message(f"  Worker log   {worker.log}")
    if connection.private:
        message(f"  Server log   {connection.private.process.log}")
    message()
    if connection.private:
        message("duckherd finds this server by itself. Prefect's own commands need:")
        message(f"  export PREFECT_API_URL={connection.api.url}")
    message("Ctrl-C stops all that was started here.")


def _hold(processes: Sequence[Guarded]) -> None:
    """Until Ctrl-C, or until one of the processes ends by itself."""
    try:
        while True:
            for process in processes:
                process.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        # The documented way to end it, so no failure; leaving stops what was started.
        message("\nStopping ...")
