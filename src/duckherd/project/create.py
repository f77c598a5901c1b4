"""Making a new project file from a database's live catalog."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from duckherd.catalog.model import Table
from duckherd.catalog.source import Source
from duckherd.errors import SourceError, UsageError
from duckherd.project.literal import referenced
from duckherd.project.location import absolute_lake, absolute_source
from duckherd.project.naming import deployment_name, source_name
from duckherd.project.scaffold import Scaffold, scaffold, schedule_line
from duckherd.project.selection import select
from duckherd.project.source import read_catalog
from duckherd.secrets import shape


@dataclass(frozen=True, slots=True)
class Created:
    """A project file that was written.

    Attributes:
        name: of the source.
        tables: how many deployments it has.
        variables: environment variables that hold what was spelled out in the URLs.
    """

    path: Path
    name: str
    tables: int
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table of a source that may become a deployment; can be selected like one."""

    name: str
    table: str
    tags: tuple[str, ...]
    found: Table


def create(
    path: Path,
    options: Scaffold,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    force: bool = False,
) -> Created:
    """Read the source's catalog and write the file.

    Args:
        path: of the file.
        options: with the URLs as the user gave them; an empty name is made from the source.
        include: selection of tables; nothing means all.
        exclude: selection to leave out.
        force: overwrite an existing file.

    Raises:
        UsageError: the file exists, or an option makes no sense; nothing was written.
        SelectionError: no table is selected.
        SourceError, SecretError: the source cannot be read.
    """
    if path.exists() and not force:
        raise UsageError(
            f"{path} exists already",
            hint="duckherd sync brings new and dropped tables into it; --force overwrites it",
        )
    if options.schedule:
        schedule_line(options.schedule, options.timezone)
    name = _checked(options.name) or source_name(Source.parse(shape(options.source)))
    whole = absolute_source(options.source)
    source = referenced(whole, "DUCKHERD_SOURCE")
    lake = referenced(absolute_lake(options.lake), "DUCKHERD_LAKE")
    tables = _selected(read_catalog(whole), name, include, exclude)
    text = scaffold(tables, replace(options, name=name, source=source.url, lake=lake.url))
    write_file(path, text)
    return Created(path, name, len(tables), (*source.variables, *lake.variables))


def _checked(name: str) -> str:
    if not name.isprintable() or any(character in "/%&<>. {}" for character in name):
        raise UsageError(
            f"{name!r} cannot begin the name of a deployment",
            hint="letters, digits, - and _, for example --name erp",
        )
    return name


def _selected(
    tables: Sequence[Table], name: str, include: Iterable[str], exclude: Iterable[str]
) -> list[Table]:
    if not tables:
        raise SourceError("the source has no table or view that this user may see")
    return [each.found for each in select(candidates(tables, name), include, exclude)]


def candidates(tables: Iterable[Table], source_name: str) -> list[Candidate]:
    """The tables of a source as what they would be deployed as."""
    return [
        Candidate(
            name=deployment_name(source_name, table.name),
            table=str(table.name),
            tags=(source_name, table.name.schema),
            found=table,
        )
        for table in tables
    ]


def write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises UsageError where that cannot be done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(text.encode())
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
