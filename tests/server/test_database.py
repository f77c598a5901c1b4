"""The local server's database starts, keeps what it holds and is gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg

from duckherd.server.database import local_database


def _ask(folder: Path, *statements: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(user="postgres", database="postgres", host=str(folder))
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(ask())


def _postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_database_is_kept_and_its_server_stopped(tmp_path: Path) -> None:
    """What was written is there the next time; in between no process is left."""
    folder = tmp_path / "postgres"
    with local_database(folder) as url:
        assert url is not None
        assert url.startswith("postgresql+asyncpg://")
        _ask(folder, "create table t as select 7 as x")
        process = _postmaster(folder)
    assert not Path(f"/proc/{process}").exists()
    with local_database(folder):
        assert _ask(folder, "select x from t") == 7


def test_database_comes_back_after_a_kill(tmp_path: Path) -> None:
    """A killed server leaves its lock file behind; the next start waits for the new one."""
    folder = tmp_path / "postgres"
    with local_database(folder):
        _ask(folder, "create table t as select 8 as x", "checkpoint")
        os.kill(_postmaster(folder), signal.SIGKILL)
    with local_database(folder):
        assert _ask(folder, "select x from t") == 8


def test_database_is_private(tmp_path: Path) -> None:
    """Nobody else may enter the folders, and no address is listened on."""
    folder = tmp_path / "a" / "postgres"
    with local_database(folder):
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "data").stat().st_mode & 0o077 == 0
        assert _ask(folder, "show listen_addresses") == ""


def test_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    """A folder too long for a socket's name works all the same."""
    folder = tmp_path / ("long" * 30)
    with local_database(folder) as url:
        assert url is not None
        assert str(folder) not in url
