"""`duckherd dashboard`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from duckherd.cli.output import message
from duckherd.cli.past import Select, choose
from duckherd.cli.project import Exclude
from duckherd.errors import UsageError

if TYPE_CHECKING:
    from duckherd.report.judged import Judged

_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})


def dashboard(
    *select: Select,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on.")] = 4280,
    days: Annotated[int, Parameter(help="Days of history to show.")] = 90,
    refresh: Annotated[float, Parameter(help="Seconds between two looks at the server.")] = 5.0,
    allow_actions: Annotated[
        bool, Parameter(negative=(), help="Let the page run, cancel, pause and resume tables.")
    ] = False,
    exclude: Exclude = None,
) -> None:
    """Serve the report live.

    Only this machine can open it unless --host says otherwise. It changes nothing unless
    --allow-actions is given. Where the Prefect API asks for a user and password
    (PREFECT_API_AUTH_STRING), the dashboard asks for the same.
    """
    import uvicorn

    from duckherd.api.settings import load_settings
    from duckherd.cli.connection import connect
    from duckherd.dashboard.app import Access, create
    from duckherd.dashboard.snapshot import Live
    from duckherd.history.store import cache_path

    auth = load_settings().auth
    if allow_actions and auth is None and not _is_local(host):
        raise UsageError(
            f"--allow-actions on {host} would let anyone on the network change the herd",
            hint="protect the Prefect API with PREFECT_API_AUTH_STRING, or leave out --host",
        )

    def selected(judged: Judged) -> Judged:
        return choose(judged, select, exclude)

    with connect("duckherd dashboard") as connection:
        live = Live(connection.api, cache_path(connection.api.url), days, refresh, selected)
        live.start()
        try:
            access = Access(_LOCAL | {host}, auth, allow_actions)
            config = uvicorn.Config(
                create(live, access), host=host, port=port, log_level="warning", lifespan="off"
            )
            message(f"duckherd dashboard: http://{host}:{port} (Ctrl-C stops it)")
            uvicorn.Server(config).run()
        finally:
            live.stop()


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
