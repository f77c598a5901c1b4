"""DuckDB with one source attached, kept for the life of the process.

Connecting costs tens of milliseconds and the server a process; a warm worker reads
table after table of the same source, so the attached engine stays. Its pool asks a
connection for a sign of life before it hands it out again, so a broken one is replaced
unseen. An engine is closed between reads only: closing one in the middle of a transaction
whose connection broke would crash DuckDB 1.5.5.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import duckdb

SOURCE = "source"
"""Name the source is attached under."""

_MOST_THREADS = 8


@dataclass(frozen=True, slots=True)
class Attachment:
    """What to attach. `repr` hides the secret parts.

    Attributes:
        extension: DuckDB's extension, `postgres` or `mysql`; None for an engine without source.
        statements: run in order on a fresh engine; may hold secrets.
    """

    extension: str | None
    statements: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Attachment({self.extension!r})"


PLAIN = Attachment(None)
"""An engine with nothing attached, for readers that bring Arrow batches."""


def extension_file(name: str) -> Path:
    """The extension's build inside its wheel. Raises ModuleNotFoundError without the wheel."""
    package = import_module(f"duckdb_extension_{name}_scanner")
    folder = Path(str(package.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    return folder / f"{name}_scanner.duckdb_extension"


_engines: dict[tuple[int, Attachment], duckdb.DuckDBPyConnection] = {}
_lock = threading.Lock()


def new_engine() -> duckdb.DuckDBPyConnection:
    """An empty engine that downloads nothing and spills below the temp folder."""
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            # One table is read on a few connections; more threads only cost memory.
            "threads": min(os.cpu_count() or 1, _MOST_THREADS),
            "temp_directory": str(Path(tempfile.gettempdir()) / f"duckherd-spill-{os.getpid()}"),
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def engine(attachment: Attachment) -> duckdb.DuckDBPyConnection:
    """The process's engine of this attachment, made on first use. Raises duckdb.Error."""
    key = (os.getpid(), attachment)
    with _lock:
        if key not in _engines:
            connection = new_engine()
            if attachment.extension is not None:
                path = str(extension_file(attachment.extension)).replace("'", "''")
                connection.execute(f"LOAD '{path}'")
            for statement in attachment.statements:
                connection.execute(statement)
            _engines[key] = connection
        return _engines[key]


def disconnect(attachment: Attachment) -> None:
    """Close the process's idle connections to a source; a read in another thread keeps its own."""
    key = (os.getpid(), attachment)
    with _lock:
        if attachment.extension != "postgres":
            # It ends with its last cursor; `close` would end those of other reads, too.
            _engines.pop(key, None)
            return
        engine = _engines.get(key)
    if engine is not None:
        with contextlib.suppress(duckdb.Error):
            _empty_pool(engine)


def _empty_pool(engine: duckdb.DuckDBPyConnection) -> None:
    """Close PostgreSQL's idle connections; to attach anew would take a tenth of a second."""
    pool = f"FROM postgres_configure_pool(catalog_name = '{SOURCE}'"
    [(size,)] = engine.execute(f"SELECT max_connections {pool})").fetchall()
    engine.execute(f"{pool}, max_connections = 0)").fetchall()
    engine.execute(f"{pool}, max_connections = {size})").fetchall()


@contextlib.contextmanager
def transaction(attachment: Attachment) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor inside a transaction of its own, which is one connection to the source.

    Nothing is ever written, so it ends with a rollback.
    """
    cursor = engine(attachment).cursor()
    try:
        cursor.execute("BEGIN")
        yield cursor
    finally:
        with contextlib.suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        cursor.close()
