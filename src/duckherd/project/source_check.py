"""Holding a project against its source databases: do the tables and columns it names exist?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from duckherd.catalog.model import Table
from duckherd.checks.validate import validate_checks
from duckherd.errors import DuckherdError, ParameterError
from duckherd.extract.model import SpoolColumn
from duckherd.extract.projection import chosen, lake_names
from duckherd.parameters import IngestParameters
from duckherd.project.check_sql import wrong_checks
from duckherd.project.document import Path
from duckherd.project.file import Entry, Project
from duckherd.project.problems import Problem, nearest
from duckherd.project.source import read_catalog


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What the sources say of a project.

    Attributes:
        problems: in the file.
        unreached: sources that could not be asked from here, each with the reason; no secrets.
    """

    problems: tuple[Problem, ...] = ()
    unreached: tuple[str, ...] = ()


def check_sources(project: Project, entries: Iterable[Entry]) -> SourceReport:
    """Ask each source of these deployments once for all their tables."""
    problems: list[Problem] = []
    unreached: list[str] = []
    ours = sorted((entry for entry in entries if entry.ours), key=_source)
    for source, group in groupby(ours, key=_source):
        members = list(group)
        try:
            tables = _catalog(source, members)
        except DuckherdError as error:
            unreached.append(f"{source}: {error.message}")
            problems += wrong_checks(project, members)
        else:
            problems += check_against(project, members, tables)
    return SourceReport(tuple(problems), tuple(unreached))


def _source(entry: Entry) -> str:
    return str(entry.parameters["source"])


def _catalog(source: str, entries: Sequence[Entry]) -> dict[str, Table]:
    names = [entry.ingest().table_name for entry in entries]
    tables = {str(table.name): table for table in read_catalog(source, names)}
    if len(tables) < len(set(map(str, names))):
        # One is missing: the others' names are wanted for the hint.
        tables = {str(table.name): table for table in read_catalog(source)}
    return tables


def check_against(
    project: Project, entries: Sequence[Entry], tables: Mapping[str, Table]
) -> Iterator[Problem]:
    """What deployments name that their source does not have: `tables` by `schema.name`."""
    for entry in entries:
        parameters = entry.ingest()
        table = tables.get(parameters.table)
        if table is not None:
            yield from _columns(project, entry, parameters, table)
            yield from _checks(project, entry, parameters, table)
            continue
        yield Problem(
            project.document.position(_path(entry, "table")),
            f"the source has no table or view {parameters.table!r}",
            nearest(parameters.table, tables) if tables else None,
            _subject(entry),
        )


def _columns(
    project: Project, entry: Entry, parameters: IngestParameters, table: Table
) -> Iterator[Problem]:
    known = [column.name for column in table.columns]
    for path, column in _named(parameters):
        if column not in known:
            yield Problem(
                project.document.position(_path(entry, *path)),
                f"{'.'.join(map(str, path[:1]))}: {parameters.table} has no column {column!r}",
                nearest(column, known),
                _subject(entry),
            )


def _checks(
    project: Project, entry: Entry, parameters: IngestParameters, table: Table
) -> Iterator[Problem]:
    try:
        columns = _lake_columns(parameters, table)
    except ParameterError as error:
        place = project.document.position(_path(entry, "columns"))
        yield Problem(place, error.message, error.hint, _subject(entry))
        return
    for problem in validate_checks(parameters.checks, columns):
        path = _path(entry, "checks", problem.position)
        place = project.document.position(path)
        yield Problem(place, f"check {problem}", "see docs/checks.md", _subject(entry))


def _lake_columns(parameters: IngestParameters, table: Table) -> list[SpoolColumn]:
    """The columns checks see: after exclusions and renames, their lake types not known yet."""
    rules = parameters.columns
    columns = [column for column in table.columns if chosen(column, rules)]
    names = lake_names(table, [(column.name, rules.get(column.name)) for column in columns])
    return [
        SpoolColumn(name, column.name, "", column.type)
        for name, column in zip(names, columns, strict=True)
    ]


def _named(parameters: IngestParameters) -> Iterator[tuple[Path, str]]:
    """Source columns that parameters name, each with its place in them."""
    for index, column in enumerate(parameters.key or ()):
        yield ("key", index), column
    if parameters.cursor is not None:
        yield ("cursor",), parameters.cursor
    for column in parameters.columns:
        if column != "*":
            yield ("columns", column), column


def _path(entry: Entry, *rest: str | int) -> Path:
    return ("deployments", entry.index, "parameters", *rest)


def _subject(entry: Entry) -> str:
    return f"deployment {entry.name!r}"
