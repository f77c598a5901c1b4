"""Tables as Parquet objects: which ones a publish writes, and writing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake.assembly import FLOW_RUN, Assembly, SchemasDiffer, assemble, metadata_of
from duckherd.lake.model import LakeObject, Pending, Publication, TableState
from duckherd.lake.naming import table_path
from duckherd.lake.plan import Plan, Write, outcome
from duckherd.lake.store import Draft, Stale, Store

_FOOTER_GUESS = 64 * 1024
"""Bytes read from an object's end first: most footers fit, so one request is enough."""


@dataclass(frozen=True, slots=True)
class ParquetPublish:
    """A publish of Parquet objects, planned.

    Attributes:
        outcome: the state afterwards; its new objects have no versions yet.
        expected: path -> version of the object it replaces.
    """

    store: Store
    flow_run: str
    plan: Plan
    outcome: TableState
    expected: dict[str, str | None]

    @property
    def paths(self) -> tuple[str, ...]:
        """About to be written."""
        return tuple(write.path for write in self.plan.writes)

    @property
    def previous(self) -> tuple[tuple[str, str | None], ...]:
        """Of each path, the version before."""
        return tuple((path, self.expected.get(path)) for path in self.paths)

    def stage(self) -> None:
        """Everything that can be done before the intent is told."""
        for write in self.plan.writes:
            self.store.stage(self._draft(write))

    def write(self, fence: Callable[[], None], on_step: Callable[[str], None]) -> TableState:
        """Write the objects; gives the outcome with their versions."""
        written = []
        for write in self.plan.writes:
            version = _put(self.store, self._draft(write), fence)
            written.append(replace(write.object, version=version))
            on_step(f"object {write.path}")
        return replace(self.outcome, objects=(*self.plan.kept, *written))

    def _draft(self, write: Write) -> Draft:
        return Draft(write.path, write.assembly, self.expected.get(write.path), self.flow_run)


def prepare(
    store: Store, state: TableState, publication: Publication, workspace: Path
) -> ParquetPublish:
    """Plan a publish. Nothing is written outside `workspace`, a local folder."""
    if publication.mode == "merge":
        raise LakeError(
            f"{publication.table}: mode merge cannot change plain Parquet in place",
            hint="set format: delta",
        )
    plan = _plan(state, publication, workspace)
    return ParquetPublish(
        store=store,
        flow_run=publication.flow_run,
        plan=plan,
        outcome=outcome(state, publication, plan.objects, plan.dropped),
        expected={item.path: item.version for item in state.objects},
    )


def _plan(state: TableState, publication: Publication, workspace: Path) -> Plan:
    path = table_path(TableName.parse(publication.table))
    assembly = assembled(publication, [Path(file) for file in publication.files], workspace)
    if assembly.rows != publication.rows:
        raise LakeError(
            f"the spool of {publication.table} holds {assembly.rows:,} rows where "
            f"{publication.rows:,} were read; nothing was published"
        )
    return Plan((Write(path, assembly),), dropped=others(state, {path}))


def others(state: TableState, paths: set[str]) -> tuple[str, ...]:
    """Objects of the version before, and left-overs of earlier ones, that are not in `paths`."""
    old = dict.fromkeys([*(item.path for item in state.objects), *state.obsolete])
    return tuple(path for path in old if path not in paths)


def assembled(publication: Publication, files: Sequence[Path], workspace: Path) -> Assembly:
    """One object out of the spool's files."""
    metadata = {
        FLOW_RUN: publication.flow_run,
        "duckherd.table": publication.table,
        "duckherd.read_at": publication.read_at,
    }
    try:
        return assemble(files, metadata)
    except SchemasDiffer:
        return assemble([_rewritten(files, workspace)], metadata)


def _rewritten(files: Sequence[Path], workspace: Path) -> Path:
    """The files as one, decoded and encoded again by DuckDB in bounded memory."""
    import duckdb

    target = workspace / "whole.parquet"
    with duckdb.connect(config={"memory_limit": "256MB", "temp_directory": str(workspace)}) as db:
        db.execute("set preserve_insertion_order = true")
        db.from_parquet([str(file) for file in files], union_by_name=True).write_parquet(
            str(target), compression="zstd"
        )
    return target


def _put(store: Store, draft: Draft, fence: Callable[[], None]) -> str:
    try:
        return store.put(draft, fence)
    except Stale:
        # The intent is ours or `fence` raises: then the object was changed by somebody who
        # publishes without us, or is ours already and the store's answer was lost.
        fence()
        found = store.tail(draft.path, 1)
        return store.put(replace(draft, expected=found.version if found else None), fence)


def landed(store: Store, pending: Pending) -> tuple[LakeObject, ...]:
    """Of the objects a pending publish announced, those that carry its flow run's id."""
    announced = {item.path: item for item in pending.outcome.objects} if pending.outcome else {}
    found = []
    for path in pending.objects:
        writer, version = written_by(store, path)
        if writer == pending.flow_run and path in announced:
            found.append(replace(announced[path], version=version))
    return tuple(found)


def written_by(store: Store, path: str) -> tuple[str | None, str | None]:
    """The flow run that wrote an object and its version; Nones where there is no object."""
    end = store.tail(path, _FOOTER_GUESS)
    if end is None:
        return None, None
    metadata = metadata_of(end.data)
    if isinstance(metadata, int):
        longer = store.tail(path, metadata)
        metadata = metadata_of(longer.data) if longer else {}
    return (metadata.get(FLOW_RUN) if isinstance(metadata, dict) else None), end.version
