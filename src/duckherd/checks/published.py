"""Published tables as local Parquet files, for checks that look at more than the spool."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from duckherd.catalog.model import TableName
from duckherd.errors import DuckherdError, LakeError

if TYPE_CHECKING:
    from duckherd.lake import Lake
    from duckherd.lake.model import TableState


@dataclass(frozen=True, slots=True)
class PublishedTables:
    """Tables found and not found in a lake.

    Attributes:
        files: `schema.name` -> Parquet files on local disk.
        missing: `schema.name` -> why it cannot be read.
    """

    files: Mapping[str, Sequence[Path]]
    missing: Mapping[str, str]


@contextmanager
def published_tables(
    lake_url: str | None, tables: Sequence[str], temp: Path | None = None
) -> Iterator[PublishedTables]:
    """The current version of each table; what is not on local disk is fetched for as long."""
    if not tables or lake_url is None:
        yield PublishedTables({}, dict.fromkeys(tables, "there is no lake to look in"))
        return
    from duckherd.lake import open_lake

    files: dict[str, Sequence[Path]] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="duckherd-published-", dir=temp) as folder:
        lake = open_lake(lake_url)
        for number, table in enumerate(tables):
            target = Path(folder, str(number))
            target.mkdir()
            try:
                state = lake.read_state(TableName.parse(table))[0]
                files[table] = local_files(lake, state, target)
            except DuckherdError as error:
                missing[table] = error.message
        yield PublishedTables(files, missing)


def local_files(lake: Lake, state: TableState, folder: Path) -> tuple[Path, ...]:
    """The objects of a published version as local files; fetched into `folder` if need be.

    Raises LakeError where the table was never published or an object is gone.
    """
    if state.version == 0:
        raise LakeError(
            f"{state.table} is not published in {lake}", hint=f"duckherd run {state.table}"
        )
    files = []
    for number, item in enumerate(state.objects):
        file = lake.store.local(item.path)
        if file is None:
            file = folder / f"part-{number}.parquet"
            if not lake.store.download(item.path, file):
                raise LakeError(f"{lake}/{item.path} is gone, though {state.table} lists it")
        files.append(file)
    return tuple(files)
