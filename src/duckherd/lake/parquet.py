"""Tables as Parquet objects: which ones a publish writes, and writing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake.append import plan_append
from duckherd.lake.assembly import FLOW_RUN, metadata_of
from duckherd.lake.model import LakeObject, Pending, Publication, TableState
from duckherd.lake.naming import table_path
from duckherd.lake.plan import Plan, Write, others, outcome
from duckherd.lake.spooled import assembled
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
    plan = _plan(store, state, publication, workspace)
    return ParquetPublish(
        store=store,
        flow_run=publication.flow_run,
        plan=plan,
        outcome=outcome(state, publication, plan.objects, plan.dropped),
        expected={item.path: item.version for item in state.objects},
    )


def _plan(store: Store, state: TableState, publication: Publication, workspace: Path) -> Plan:
    if publication.mode == "merge":
        raise LakeError(
            f"{publication.table}: mode merge cannot change plain Parquet in place",
            hint="set format: delta",
        )
    if publication.mode == "append":
        return plan_append(store, state, publication, workspace)
    path = table_path(TableName.parse(publication.table))
    return Plan((Write(path, assembled(publication, workspace)),), (), others(state, {path}))


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
