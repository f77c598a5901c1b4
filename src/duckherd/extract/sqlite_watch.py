"""Whether anybody committed to a SQLite file in the meantime.

SQLite's own `data_version` tells it of one connection; here connections of two copies of
SQLite, Python's and DuckDB's, follow one another. So the fields are read that SQLite
itself compares: https://www.sqlite.org/fileformat2.html#file_change_counter and
https://www.sqlite.org/walformat.html#the_wal_index_header.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from duckherd.catalog.source import Source
from duckherd.catalog.sqlite_connection import session

_WAL = b"\x02"


class Watch:
    """A file as it was when the watch began.

    Its descriptors stay open: closing any descriptor of a file takes away all locks that
    the process has on it, whoever asked for them.
    """

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self._index = Path(f"{path}-shm")
        self._file = _opened(path, stack)
        self._shared = _opened(self._index, stack) if self._in_wal else None
        self._before = self._state()

    @property
    def _in_wal(self) -> bool:
        return os.pread(self._file, 1, 18) == _WAL

    def unchanged(self) -> bool:
        """Whether nobody committed; a WAL must be held by a reader since then, or it may go."""
        with contextlib.suppress(OSError):
            return self._state() == self._before
        return False

    def _state(self) -> bytes:
        if not self._in_wal:
            return os.pread(self._file, 4, 24)
        index = self._shared
        if index is None or not os.path.samestat(os.fstat(index), self._index.stat()):
            raise FileNotFoundError(self._index)
        # Length and checksum of the log and its salt: the number of changes alone may begin anew.
        return os.pread(index, 24, 16)


def _opened(path: Path, stack: contextlib.ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


@contextlib.contextmanager
def watch(source: Source) -> Iterator[Watch | None]:
    """Watch a file while the block runs; None where it cannot be watched."""
    path = Path(source.database).resolve()
    with contextlib.ExitStack() as stack:
        found = None
        with contextlib.suppress(OSError):
            if _closed_wal(path):
                # Nobody has the file open: its first reader makes the log's index.
                with session(source) as connection:
                    connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            found = Watch(path, stack)
        yield found


def _closed_wal(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(19)
    return head[18:] == _WAL and not Path(f"{path}-shm").exists()
