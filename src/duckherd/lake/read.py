"""Reading what is published: one whole version of a table, as local Parquet files.

A version of several objects is whole only through the state, so readers go through it.
An object that is gone was replaced since the state was read: then it is read again.
Parquet readers open a file more than once, so a file of a folder is held open here and
told by its open handle: whoever replaces it meanwhile does not change what is read.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake.location import Lake
from duckherd.lake.model import TableState

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published version of a table.

    Attributes:
        state: of that version.
        files: local Parquet files that hold it; valid while the snapshot is open.
    """

    state: TableState
    files: tuple[Path, ...]

    @property
    def scan(self) -> str:
        """A table function of DuckDB that reads the version, e.g. for `select * from ...`."""
        names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in self.files)
        return f"read_parquet([{names}], union_by_name = true)"


def published_files(lake: Lake, state: TableState) -> tuple[str, ...]:
    """Paths of the version's Parquet objects, below the lake. Nothing is read for Parquet."""
    if state.format == "delta" and state.version:
        from duckherd.lake import delta_log

        return delta_log.data_files(lake, state)
    return tuple(item.path for item in state.objects)


@contextmanager
def open_published(
    lake: Lake, table: TableName, columns: Sequence[str] | None = None
) -> Iterator[Snapshot]:
    """The published version, its objects copied to this machine where they are not on it.

    Args:
        lake: where.
        table: which.
        columns: the only columns of interest: from a bucket, only they are fetched.

    Raises LakeError where the table is not published or its objects are missing.
    """
    with ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="duckherd-read-")))
        yield _snapshot(lake, table, _Fetcher(lake, work, columns, held))


def _snapshot(lake: Lake, table: TableName, fetch: _Fetcher) -> Snapshot:
    missing = ""
    for _ in range(_ATTEMPTS):
        state, _token = lake.read_state(table)
        if not state.version:
            raise LakeError(
                f"{table} is not published in {lake}", hint=f"publish it: duckherd run {table}"
            )
        try:
            paths = published_files(lake, state)
            return Snapshot(state, tuple(fetch(path) for path in paths))
        except FileNotFoundError as error:
            missing = str(error)
    raise LakeError(
        f"an object of {table} is missing from {lake}: {missing}",
        hint="restore it, or publish the table again from the beginning",
    )


@dataclass(frozen=True, slots=True)
class _Fetcher:
    """Brings objects to this machine, and keeps them as they are while the snapshot is open."""

    lake: Lake
    work: Path
    columns: Sequence[str] | None
    held: ExitStack

    def __call__(self, path: str) -> Path:
        """A local file with the object. Raises FileNotFoundError where it is gone or changes."""
        local = self.lake.store.local(path)
        if local is not None:
            return self._pinned(local)
        target = self.work / f"{len(list(self.work.iterdir()))}.parquet"
        if self.columns is not None:
            self._fetch_columns(path, target, self.columns)
        elif not self.lake.store.download(path, target):
            raise FileNotFoundError(path)
        return target

    def _pinned(self, local: Path) -> Path:
        handle = self.held.enter_context(local.open("rb"))
        pinned = Path(f"/proc/{os.getpid()}/fd/{handle.fileno()}")
        return pinned if pinned.exists() else local

    def _fetch_columns(self, path: str, target: Path, columns: Sequence[str]) -> None:
        before = self._version(path)
        try:
            with self.lake.store.open(path) as remote:
                _copy_columns(remote, target, columns)
        except OSError:
            if self._version(path) == before:
                raise
        if self._version(path) != before:
            raise FileNotFoundError(f"{path} changed while it was read")

    def _version(self, path: str) -> str | None:
        found = self.lake.store.tail(path, 1)
        return found.version if found else None


def _copy_columns(remote: Any, target: Path, columns: Sequence[str]) -> None:
    import pyarrow.parquet as pq

    source = pq.ParquetFile(_Reader(remote))
    present = [name for name in columns if name in source.schema_arrow.names]
    wanted = source.schema_arrow.empty_table().select(present).schema
    with pq.ParquetWriter(target, wanted, compression="zstd") as writer:
        for batch in source.iter_batches(columns=present):
            writer.write_batch(batch)


class _Reader(io.RawIOBase):
    """An object of a store as the file pyarrow asks for: obstore's has no `closed`."""

    def __init__(self, remote: Any) -> None:
        self._remote = remote

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._remote.seek(offset, whence))

    def tell(self) -> int:
        return int(self._remote.tell())

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(self._remote.read(None if size is None or size < 0 else size))
