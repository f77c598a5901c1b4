"""Reading the sources' catalogs and writing them into a project file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from duckherd.catalog.model import Table
from duckherd.errors import ProjectError, SourceError
from duckherd.project.create import candidates, write_file
from duckherd.project.file import Project, load
from duckherd.project.problems import Problem
from duckherd.project.selection import select
from duckherd.project.source import read_catalog
from duckherd.project.source_check import check_against
from duckherd.project.sync import synced


@dataclass(frozen=True, slots=True)
class Done:
    """What a synchronization did, or would do.

    Attributes:
        difference: unified diff of the file; empty where nothing changed.
        added, dropped, changed: names of deployments.
        schemas: of the sources, left out because the file has no table of them.
        problems: columns the file names that are gone; people must decide.
    """

    difference: str
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    changed: tuple[str, ...]
    schemas: tuple[str, ...]
    problems: tuple[Problem, ...]


def synchronize(
    path: Path,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    write: bool = True,
    keep_dropped: bool = False,
) -> Done:
    """Bring the tables of today into a project file.

    Args:
        path: of the file.
        include: which new tables are taken in; nothing means those of known schemas.
        exclude: new tables to leave out.
        write: False only computes the difference.
        keep_dropped: leave deployments of tables that are gone.

    Raises:
        ProjectError: the file cannot be read, or not be edited in place; it is unchanged.
        SourceError, SecretError: a source cannot be read; the file is unchanged.
    """
    project = load(path)
    raw = path.read_bytes().decode("utf-8")
    mark, text = raw[: raw.startswith("\ufeff")], raw.removeprefix("\ufeff")
    catalogs = _catalogs(project)
    result = synced(
        project,
        text,
        catalogs,
        wanted=_wanted(project, catalogs, tuple(include), tuple(exclude)),
        keep_dropped=keep_dropped,
    )
    if write and result.text != text:
        write_file(path, mark + result.text)
    return Done(
        difference=_difference(path, text, result.text),
        added=result.added,
        dropped=() if keep_dropped else result.dropped,
        changed=result.changed,
        schemas=result.schemas,
        problems=_left_over(project, catalogs, set(result.dropped)),
    )


def _catalogs(project: Project) -> dict[str, tuple[Table, ...]]:
    sources = dict.fromkeys(str(entry.parameters["source"]) for entry in project.tables)
    if not sources:
        raise ProjectError(
            "has no deployment of a table, so there is no source to read",
            path=str(project.path),
            hint="duckherd init --source URL --lake URL --force",
        )
    return {source: _catalog(source) for source in sources}


def _catalog(source: str) -> tuple[Table, ...]:
    tables = read_catalog(source)
    if not tables:
        # Lost permissions look like this; the file must not lose all its deployments.
        raise SourceError(f"the source {source} has no table or view that this user may see")
    return tables


def _wanted(
    project: Project,
    catalogs: Mapping[str, Sequence[Table]],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> frozenset[str] | None:
    if not include and not exclude:
        return None
    found = [
        candidate
        for source, tables in catalogs.items()
        for candidate in candidates(tables, _prefix(project, source))
    ]
    return frozenset(candidate.table for candidate in select(found, include, exclude))


def _prefix(project: Project, source: str) -> str:
    first = next(each for each in project.tables if each.parameters["source"] == source)
    return first.name.partition(".")[0]


def _left_over(
    project: Project, catalogs: Mapping[str, Sequence[Table]], dropped: set[str]
) -> tuple[Problem, ...]:
    found: list[Problem] = []
    for source, tables in catalogs.items():
        members = [
            entry
            for entry in project.tables
            if entry.parameters["source"] == source and entry.name not in dropped
        ]
        found += check_against(project, members, {str(table.name): table for table in tables})
    return tuple(found)


def _difference(path: Path, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), str(path), str(path)
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
