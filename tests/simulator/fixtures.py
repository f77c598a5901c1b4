"""One simulated server a session, shared by the tests of history, report and dashboard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

import servers
from duckherd.api.client import Api
from duckherd.api.settings import ApiSettings
from duckherd.history.fetch import fetch
from duckherd.history.store import Store
from simulator import database
from simulator.world import World, simulate

QUIET = {
    # The past is ours to write: the server must not add to it.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
}


@dataclass(frozen=True)
class Simulated:
    """A real Prefect server with a simulated past.

    `world.now` is the present; `cache` has been fetched before and after every pause and
    removal, as regular use would.
    """

    url: str
    database: Path
    world: World
    cache: Path

    def api(self) -> Api:
        """A client of it."""
        return Api(ApiSettings(self.url, ui_url=self.url.removesuffix("/api")))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    """40 tables over 30 days that hold the end of daylight saving time."""
    world = simulate(40, 30, datetime(2025, 11, 5, tzinfo=UTC))
    folder = tmp_path_factory.mktemp("simulated")
    with servers.prefect_server(folder, QUIET) as url:
        path = folder / "prefect.db"
        database.write(world, path)
        it = Simulated(url, path, world, folder / "cache.duckdb")
        live_through(it)
        yield it


def live_through(it: Simulated) -> None:
    """Pause, resume and remove at their times, with a fetch before and after each."""
    with it.api() as api:
        for moment, changes in sorted(_changes(it).items()):
            with Store(it.cache) as store:
                fetch(api, store, moment - timedelta(minutes=1))
            for change in changes:
                change()
            with Store(it.cache) as store:
                fetch(api, store, moment)
        with Store(it.cache) as store:
            fetch(api, store, it.world.now)


def _changes(it: Simulated) -> dict[datetime, list[Callable[[], None]]]:
    """Moment -> what happens to the server then."""
    found: dict[datetime, list[Callable[[], None]]] = defaultdict(list)
    for table in it.world.tables:
        for moment, paused in zip(table.paused or (), (True, False), strict=False):
            change = partial(database.pause, it.database, table.id, moment, paused=paused)
            found[moment].append(change)
        if table.removed:
            found[table.removed].append(partial(database.remove, it.database, table.id))
    return found
