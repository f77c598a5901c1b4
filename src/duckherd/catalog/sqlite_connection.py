"""Read-only connections to SQLite files, and their errors by SQLite's own codes."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.errors import SourceBusy, SourceDenied, SourceError, TableNotFound

SCHEMA = "main"
_LOCK_TIMEOUT = 30.0


@contextlib.contextmanager
def session(
    source: Source, *, table: TableName | None = None, lock_timeout: float | None = None
) -> Iterator[sqlite3.Connection]:
    """A connection inside one read transaction, which sees one state of the file.

    Raises SourceError of the kind that fits for whatever goes wrong inside the block.
    """
    with translated(source, table):
        connection = _open(source, _LOCK_TIMEOUT if lock_timeout is None else lock_timeout)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()


def _open(source: Source, lock_timeout: float) -> sqlite3.Connection:
    path = Path(source.database)
    if not path.is_file():
        raise SourceError(
            f"{source}: there is no file {source.database!r}",
            hint="sqlite:///relative.db is below the current folder, sqlite:////absolute.db is not",
        )
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        timeout=lock_timeout,
        isolation_level=None,
        # The batches are pulled from a thread of DuckDB's; never from two at once.
        check_same_thread=False,
    )
    connection.create_function("duckherd_sha256", 1, _sha256, deterministic=True)
    connection.create_function("duckherd_real", 1, repr, deterministic=True)
    return connection


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def translated(source: Source, table: TableName | None = None) -> Iterator[None]:
    """Turn sqlite3's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, source, table) from None


def translate(error: sqlite3.Error, source: Source, table: TableName | None) -> SourceError:
    """Our error for one of sqlite3's, by its primary result code."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    what = f"{source}: {table}: {error}" if table else f"{source}: {error}"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return SourceBusy(what, hint="another process is writing; it may be tried again")
    if code in {sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN}:
        return SourceDenied(what, hint="check the permissions of the file and of its folder")
    if "no such table" in str(error):
        return TableNotFound(what, hint="see what there is: duckherd sync")
    return SourceError(what)
