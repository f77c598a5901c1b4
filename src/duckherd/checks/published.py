"""Checks and what is published: other tables to compare with, and a table judged in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from duckherd.catalog.model import TableName
from duckherd.checks.engine import Resources
from duckherd.checks.model import Context, Verdict
from duckherd.checks.vocabulary import Check
from duckherd.errors import DuckherdError, LakeError


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


def check_published(
    lake_url: str,
    table: str,
    checks: Sequence[Check],
    now: str,
    key: Sequence[str] = (),
    resources: Resources | None = None,
) -> tuple[Verdict, ...]:
    """The verdicts on the published version of `table`, without loading anything.

    `lake_url` has its secrets resolved, `now` is ISO 8601 UTC and what freshness is judged
    against, `key` are columns that identify a row, for samples. Where the table cannot be
    read, that is the only verdict. Figures are compared with earlier loads where every
    load is the whole table (mode replace), not with slices.
    """
    from duckherd.checks.run import run_checks
    from duckherd.lake import open_lake
    from duckherd.lake.read import open_published

    try:
        with open_published(open_lake(lake_url), TableName.parse(table)) as snapshot:
            state = snapshot.state
            context = Context(
                table=table,
                now=now,
                history=state.history[1:] if state.mode == "replace" else (),
                masked=frozenset(column.name for column in state.columns if column.masked),
                lake=lake_url,
                key=tuple(key),
            )
            return run_checks(snapshot.files, state.columns, checks, context, resources)
    except LakeError as error:
        unread = Verdict("published", "published", "error", "error", observed=error.message)
        return (replace(unread, expected="a published table"),)
