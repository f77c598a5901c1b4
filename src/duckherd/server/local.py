"""A Prefect server on loopback, with its database in the user's Prefect home."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from duckherd.errors import DuckherdError
from duckherd.server.database import local_database
from duckherd.server.process import Guarded
from duckherd.server.registry import claim

HOST = "127.0.0.1"
START_SECONDS = 300.0
"""Longest wait for the first answer; a new database is migrated first."""


class PortInUse(DuckherdError):
    """Something else listens on the port asked for."""


class ServerNotReady(DuckherdError):
    """The server runs but never answered."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running local Prefect server.

    Attributes:
        url: its API, ends in `/api`.
        ui_url: for people.
        process: to see whether it still runs.
    """

    url: str
    ui_url: str
    process: Guarded


@contextmanager
def local_server(
    home: Path, settings: Mapping[str, str], *, command: str, port: int | None = None
) -> Iterator[LocalServer]:
    """Start a Prefect server, wait until it answers, stop it at the end.

    Args:
        home: Prefect home; holds the database, and the log in `duckherd/server.log`.
        settings: Prefect settings (environment names) for the server.
        command: the duckherd command that wants it, told to others who want one too.
        port: on loopback; any free one where None.

    Raises:
        AlreadyRunning: another command of ours runs a server on this home.
        PortInUse: the port asked for is taken.
        ProcessEnded, ServerNotReady: it did not come up; the message ends with its log.
    """
    with (
        claim(home, command) as claimed,
        _database(home) as database,
    ):
        if database is not None:
            settings = {**settings, _DATABASE: database}
        chosen = _checked(port) if port else _free_port()
        url = f"http://{HOST}:{chosen}/api"
        process = Guarded(
            "Prefect server",
            _command(chosen),
            env=_environment(home, settings, url, chosen),
            log=home / "duckherd" / "server.log",
            grace=10,
        )
        try:
            _wait_ready(process, url)
            claimed.publish(url)
            yield LocalServer(url, url.removesuffix("/api"), process)
        finally:
            process.stop()


_DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_FORMER_DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"


@contextmanager
def _database(home: Path) -> Iterator[str | None]:
    """A database of ours, unless the user chose one; None leaves the choice to Prefect."""
    if os.environ.get(_DATABASE) or os.environ.get(_FORMER_DATABASE):
        yield None
        return
    with local_database(home / "duckherd" / "postgres") as database:
        yield database


def _command(port: int) -> list[str]:
    # What `prefect server start` runs in the end, without the seconds its command line takes.
    return [
        sys.executable, "-m", "uvicorn", "--factory", "duckherd.server.app:create_app",
        "--host", HOST, "--port", str(port), "--timeout-keep-alive", "30",
        "--log-level", "warning", "--timeout-graceful-shutdown", "3",
        "--ws-per-message-deflate", "false",  # on loopback it only costs
    ]  # fmt: skip


def _environment(home: Path, settings: Mapping[str, str], url: str, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **settings,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT__SERVER_FINAL": "1",
    }


def _wait_ready(process: Guarded, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process.check()
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise ServerNotReady(
        f"the Prefect server did not answer at {url} within {START_SECONDS:.0f} s:\n"
        f"{process.last_words()}",
        hint=f"its log is {process.log}",
    )


def _checked(port: int) -> int:
    """The port, free to listen on. Raises PortInUse."""
    with socket.socket() as probe:
        # As the server does: connections that are only lingering do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(
                f"port {port} of {HOST} cannot be used: {error.strerror or error}",
                hint=f"choose another, for example --port {_free_port()}; "
                "or tell duckherd to use the Prefect server that is there: "
                f"export PREFECT_API_URL=http://{HOST}:{port}/api",
            ) from None
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
