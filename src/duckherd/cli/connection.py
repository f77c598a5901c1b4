"""Which Prefect server a command speaks to: the configured one, one of ours, or a private one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from duckherd.api.client import Api
from duckherd.api.settings import ApiSettings, load_settings, prefect_home
from duckherd.cli.output import message
from duckherd.server.local import START_SECONDS, LocalServer, local_server
from duckherd.server.registry import AlreadyRunning, Running, running


@dataclass(frozen=True, slots=True)
class Connection:
    """A Prefect API to speak to.

    Attributes:
        api: its client, open as long as the connection.
        home: the user's Prefect home.
        private: the server that runs only for this command; None for any other.
    """

    api: Api
    home: Path
    private: LocalServer | None = None


@contextmanager
def connect(command: str) -> Iterator[Connection]:
    """Speak to the Prefect API that is configured.

    Where none is: to the local server that another duckherd command runs, or else to a
    private one that is started now and stopped at the end, with its history kept in the
    user's Prefect home. `command` is what asks, e.g. `duckherd status`.
    """
    home = prefect_home()
    settings = load_settings()
    url = settings.url or _url_of(running(home))
    if url is None:
        with private(home, command) as connection:
            yield connection
        return
    with Api(settings if settings.url else local_settings(url)) as api:
        yield Connection(api, home)


def will_be_private() -> bool:
    """Whether `connect` would start a server of its own now."""
    return load_settings().url is None and running(prefect_home()) is None


@contextmanager
def private(home: Path, command: str) -> Iterator[Connection]:
    """A private server on the Prefect home, for one command."""
    message("No Prefect API is configured: starting a private server ...")
    # It lives for one command: schedules it made would come due when nobody is there.
    settings = local_server_settings(lasting=False)
    with (
        local_server(home, settings, command=command) as server,
        Api(local_settings(server.url)) as api,
    ):
        yield Connection(api, home, server)


def local_server_settings(*, lasting: bool = True) -> dict[str, str]:
    """Prefect settings with which a local server serves warm workers well.

    Args:
        lasting: the server stays; it schedules runs and evaluates automations.
    """
    from duckherd.worker import server_settings

    return {
        **server_settings(automations=lasting),
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": str(lasting).lower(),
    }


def local_settings(url: str) -> ApiSettings:
    """Settings of a server on this machine, which asks for no key."""
    return ApiSettings(url=url, ui_url=url.removesuffix("/api"))


def _url_of(server: Running | None) -> str | None:
    """Address of another command's server, waiting for one that is just starting."""
    deadline = time.monotonic() + START_SECONDS
    while server is not None and server.url is None:
        if time.monotonic() > deadline:
            raise AlreadyRunning(server)
        time.sleep(0.2)
        server = running(prefect_home())
    return server.url if server else None
