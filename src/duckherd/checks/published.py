"""Other published tables, for checks that compare with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from duckherd.catalog.model import TableName
from duckherd.errors import DuckherdError


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
    lake_url: str | None, wanted: Mapping[str, Sequence[str]]
) -> Iterator[PublishedTables]:
    """The published version of each wanted table (`schema.name` -> columns).

    What is not on local disk is fetched for as long as the context lasts.
    """
    if not wanted or lake_url is None:
        yield PublishedTables({}, dict.fromkeys(wanted, "there is no lake to look in"))
        return
    from duckherd.lake import open_lake
    from duckherd.lake.read import open_published

    files: dict[str, Sequence[Path]] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        lake = open_lake(lake_url)
        for table, columns in wanted.items():
            try:
                name = TableName.parse(table)
                files[table] = stack.enter_context(open_published(lake, name, columns)).files
            except DuckherdError as error:
                missing[table] = error.message
        yield PublishedTables(files, missing)
