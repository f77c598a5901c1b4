"""A Prefect server, a warm worker and a client of both, one of each a session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import servers
from duckherd.worker import server_settings
from warm_herd import Herd, warm_worker

CODE = Path(__file__).parent / "code"


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the flows' modules that tests may change."""
    return Path(shutil.copytree(CODE, tmp_path_factory.mktemp("code") / "code"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[str]:
    """API URL of a Prefect server with the settings `duckherd up` uses."""
    database = postgres_server.replace("postgresql://", "postgresql+asyncpg://", 1)
    folder = tmp_path_factory.mktemp("prefect-server")
    env = {"PREFECT_API_DATABASE_CONNECTION_URL": database, **server_settings()}
    with servers.prefect_server(folder, env) as url:
        yield url


@pytest.fixture(scope="session")
def herd(server: str, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Herd]:
    """The API with a warm worker of four slots behind it."""
    folder = tmp_path_factory.mktemp("herd")
    with (
        httpx.Client(timeout=30) as http,
        warm_worker(server, "herd", code, folder / "worker.log", "--limit", "4"),
    ):
        herd = Herd(server, http, "herd", folder)
        servers.wait_until(lambda: bool(herd.ask("GET", "/work_pools/herd")), "work pool")
        yield herd
