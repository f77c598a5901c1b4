"""Bringing new, changed and dropped tables into a project file: pure, text in, text out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from duckherd.catalog.model import Table, TableName
from duckherd.errors import ProjectError
from duckherd.project.document import Document
from duckherd.project.edit import Edit, Lines, Span, apply_edits, entry_spans, indented
from duckherd.project.file import Entry, Project
from duckherd.project.naming import deployment_name
from duckherd.project.scaffold import checks_of, flow, scalar

_MERGE = re.compile(r"<<:\s*\*([^\s,}\]]+)")


@dataclass(frozen=True, slots=True)
class Synced:
    """A project file brought up to date.

    Attributes:
        text: the new content.
        added: deployments of new tables.
        dropped: deployments whose table is gone.
        changed: deployments whose checks follow a new primary key.
        schemas: schemas of the source that the file has no table of; left out.
    """

    text: str
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()


@dataclass
class _Work:
    """What is collected while the sources are gone through."""

    edits: list[Edit] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    dropped: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    schemas: set[str] = field(default_factory=set)


def synced(
    project: Project,
    text: str,
    catalogs: Mapping[str, Sequence[Table]],
    *,
    wanted: frozenset[str] | None = None,
    keep_dropped: bool = False,
) -> Synced:
    """The file's text with the sources' tables of today.

    Args:
        project: loaded from `text`.
        text: the file, line ends as they are.
        catalogs: source URL as written in the file -> all its tables and views.
        wanted: names of tables to take in; None takes those of schemas the file has already.
        keep_dropped: leave deployments of tables that are gone.

    Raises:
        ProjectError: the file is written in a way that cannot be edited by lines.
    """
    spans = entry_spans(text, str(project.path))
    work = _Work()
    for source, tables in catalogs.items():
        members = [entry for entry in project.tables if entry.parameters["source"] == source]
        _add(work, text, members, spans, _new(work, members, tables, wanted))
        known = {str(table.name): table for table in tables}
        for entry in members:
            if entry.ingest().table not in known:
                _drop(work, entry, spans, keep_dropped=keep_dropped)
            else:
                _follow_key(work, project.document, text, entry, known[entry.ingest().table])
    result = apply_edits(text, work.edits)
    _require_only_these(project, result, work, keep_dropped=keep_dropped)
    return Synced(
        result,
        tuple(work.added),
        tuple(entry.name for entry in work.dropped),
        tuple(entry.name for entry in work.changed),
        tuple(sorted(work.schemas)),
    )


def _new(
    work: _Work,
    members: Sequence[Entry],
    tables: Iterable[Table],
    wanted: frozenset[str] | None,
) -> Iterator[Table]:
    there = {entry.ingest().table for entry in members}
    schemas = {TableName.parse(name).schema for name in there}
    for table in sorted(tables, key=lambda each: each.name):
        name = str(table.name)
        if name in there or (wanted is not None and name not in wanted):
            continue
        if wanted is None and table.name.schema not in schemas:
            work.schemas.add(table.name.schema)
            continue
        yield table


def _add(
    work: _Work, text: str, members: Sequence[Entry], spans: Sequence[Span], new: Iterable[Table]
) -> None:
    for table in new:
        sibling = _sibling(table.name, members)
        span = spans[sibling.index]
        entry = _like(sibling, text[span.start : span.end], table)
        work.edits.append(Edit(span.end, span.end, indented(entry, span)))
        work.added.append(deployment_name(_prefix(sibling), table.name))


def _drop(work: _Work, entry: Entry, spans: Sequence[Span], *, keep_dropped: bool) -> None:
    work.dropped.append(entry)
    if not keep_dropped:
        span = spans[entry.index]
        work.edits.append(Edit(span.start, span.end))


def _sibling(name: TableName, members: Sequence[Entry]) -> Entry:
    """The deployment a new one is put after and written like."""
    near = [each for each in members if each.ingest().table_name.schema == name.schema]
    before = [each for each in near if each.ingest().table_name < name]
    return (before or near or list(members))[-1]


def _like(sibling: Entry, lines: str, table: Table) -> str:
    """An entry for `table` with the anchors or, without any, the values of its sibling."""
    anchors = _MERGE.findall(lines)
    head, parameters = (
        (f"<<: *{anchors[0]}", f"<<: *{anchors[1]}")
        if len(anchors) >= 2
        else (_written_out(sibling), _ways(sibling))
    )
    first, *others = head.splitlines()
    shown = [
        f"  - {first}",
        *(f"    {line}" for line in others),
        f"    name: {scalar(deployment_name(_prefix(sibling), table.name))}",
        *_tags(sibling, lines, table.name),
        "    parameters:",
        *(f"      {line}" for line in parameters.splitlines()),
        f"      table: {scalar(str(table.name))}",
    ]
    if checks := checks_of(table):
        shown += ["      checks:", *(f"        - {check}" for check in checks)]
    return "\n".join(shown) + "\n"


def _written_out(sibling: Entry) -> str:
    own = ("name", "parameters", "tags", "description", "version")
    return _block({key: value for key, value in sibling.raw.items() if key not in own})


def _ways(sibling: Entry) -> str:
    shared = ("source", "lake", "format", "objective", "limits", "on_schema_change")
    return _block({key: sibling.parameters[key] for key in shared if key in sibling.parameters})


def _block(value: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(dict(value), sort_keys=False, width=float("inf"), allow_unicode=True)
    return text.rstrip("\n")


def _tags(sibling: Entry, lines: str, name: TableName) -> list[str]:
    """The sibling's own line of tags, without what is only its own."""
    if not re.search(r"^\s*(?:- )?tags:", lines, re.MULTILINE):
        return []
    old = sibling.ingest().table_name.schema
    kept = [name.schema if tag == old else tag for tag in sibling.tags]
    return [f"    tags: {flow(tag for tag in kept if not tag.startswith('owner:'))}"]


def _prefix(entry: Entry) -> str:
    return entry.name.partition(".")[0]


def _follow_key(work: _Work, document: Document, text: str, entry: Entry, table: Table) -> None:
    """Let the two checks that init writes for a primary key follow the key of today."""
    key = list(table.primary_key)
    stale = _stale_key(entry, table)
    if not key or stale is None:
        return
    lines, edits = Lines(text), []
    for index, check in enumerate(entry.parameters["checks"]):
        kind, columns = next(iter(check.items()))
        if kind in {"not_null", "unique"} and _list(columns) == stale:
            node = document.node(("deployments", entry.index, "parameters", "checks", index, kind))
            if node is None or node.start_mark.line != node.end_mark.line:
                return
            start, end = node.start_mark, node.end_mark
            place = lines.offset(start.line, start.column), lines.offset(end.line, end.column)
            edits.append(Edit(*place, flow(key)))
    work.edits += edits
    work.changed.append(entry)


def _stale_key(entry: Entry, table: Table) -> list[str] | None:
    """Columns that both checks name and that are no key of the table any more."""
    checks = entry.parameters.get("checks") or []
    by_kind = {kind: _list(columns) for check in checks for kind, columns in check.items()}
    columns = by_kind.get("unique")
    if columns is None or columns != by_kind.get("not_null"):
        return None
    keys = [sorted(key.columns) for key in table.keys]
    return None if sorted(columns) in keys else columns


def _list(columns: object) -> list[str] | None:
    if isinstance(columns, str):
        return [columns]
    return columns if isinstance(columns, list) else None


def _require_only_these(project: Project, result: str, work: _Work, *, keep_dropped: bool) -> None:
    """Raise where the edited text changes a deployment that was not meant."""
    document = Document.parse(result, str(project.path))
    after = {item["name"]: item for item in document.data.get("deployments") or []}
    before = {item["name"]: item for item in project.document.data["deployments"]}
    gone = set() if keep_dropped else {entry.name for entry in work.dropped}
    loose = {entry.name for entry in work.changed} | gone
    kept = {name for name in before if name not in loose}
    if set(after) != (set(before) - gone) | set(work.added) or any(
        before[name] != after[name] for name in kept
    ):
        raise ProjectError(
            "cannot be edited line by line without changing other deployments, "
            "perhaps because one holds an anchor that others use",
            path=str(project.path),
            hint="move anchors to definitions, or edit by hand: duckherd sync --dry-run",
        )
