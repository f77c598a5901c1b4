"""Publishing in three steps: intent, data, commit.

1. *Intent*: the table's state gains `pending`, by a conditional write. Of two runs that
   come here together one is refused, having touched nothing.
2. *Data*: the objects are written, each in one atomic step, each carrying its flow run.
3. *Commit*: the state moves to the new version and drops `pending`.

A run that finds somebody's `pending` first settles it: forward where all announced
objects carry that flow run, back where they do not; but only once that flow run is over.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from duckherd.catalog.model import TableName
from duckherd.errors import PublishConflict
from duckherd.lake import parquet
from duckherd.lake.location import Lake
from duckherd.lake.model import Pending, Publication, Published, TableState
from duckherd.lake.naming import state_path
from duckherd.lake.plan import stamped
from duckherd.lake.settle import settled
from duckherd.lake.state import encode_state
from duckherd.lake.store import Stale, Store

OnStep = Callable[[str], None]


class Prepared(Protocol):
    """A publish in one format, planned and not yet announced."""

    @property
    def outcome(self) -> TableState:
        """The state afterwards, without the versions of new objects."""

    @property
    def paths(self) -> tuple[str, ...]:
        """About to be written; empty where the state alone changes."""

    @property
    def previous(self) -> tuple[tuple[str, str | None], ...]:
        """Of each path, the version before."""

    def stage(self) -> None:
        """Everything that can be done without a reader noticing."""

    def write(self, fence: Callable[[], None], on_step: OnStep) -> TableState:
        """Write the data; gives the outcome with versions."""


def publish(
    lake: Lake,
    publication: Publication,
    is_over: Callable[[str], bool],
    *,
    on_step: OnStep = lambda _step: None,
) -> Published:
    """Make what one run read the table's new version.

    Args:
        lake: where to.
        publication: what.
        is_over: whether a flow run, by its id, has ended and will never go on.
        on_step: told the name of each step when it is done; tests interrupt here.

    Raises PublishConflict where another run published, or is publishing; LakeError and
    its kinds where the lake refuses. In both cases readers still see the version before.
    """
    table = TableName.parse(publication.table)
    try:
        lake.store.prepare()
        with lake.store.hold(state_path(table)) as store:
            return _Publisher(lake, store, publication, on_step).run(is_over)
    except Stale as error:
        raise _conflict(lake, publication, "another run is publishing it") from error


class _Publisher:
    def __init__(self, lake: Lake, store: Store, publication: Publication, on_step: OnStep) -> None:
        table = TableName.parse(publication.table)
        self._lake = lake
        self._store = store
        self._publication = publication
        self._on_step = on_step
        self._path = state_path(table)
        self._state, self._token = lake.read_state(table)

    def run(self, is_over: Callable[[str], bool]) -> Published:
        if self._is_committed():
            return self._repeated()
        self._refuse_if_overtaken()
        if self._settle(is_over):
            self._move(self._state)
            return self._repeated()
        near = Path(self._publication.files[0]).parent
        # Made by whoever needs it: most publishes do not.
        workspace = near / f"publish-{uuid4().hex}"
        try:
            return self._publish(self._prepare(workspace))
        finally:
            shutil.rmtree(workspace, ignore_errors=True)

    def _prepare(self, workspace: Path) -> Prepared:
        if self._publication.format == "delta":
            from duckherd.lake import delta

            return delta.prepare(self._lake, self._state, self._publication, workspace)
        return parquet.prepare(self._store, self._state, self._publication, workspace)

    def _publish(self, prepared: Prepared) -> Published:
        final = prepared.outcome
        if prepared.paths:
            prepared.stage()
            self._on_step("stage")
            self._move(replace(self._state, pending=self._pending(prepared)))
            self._on_step("intent")
            final = prepared.write(self._fence, self._on_step)
            self._on_step("data")
        left_over = set(self._state.obsolete) - {item.path for item in final.objects}
        self._store.remove(left_over)
        self._move(stamped(final, _now()))
        self._store.settle()
        self._on_step("commit")
        self._store.remove(final.obsolete)
        self._on_step("cleanup")
        written = tuple(item for item in final.objects if item.path in prepared.paths)
        return Published(
            state=self._state,
            objects=written,
            bytes=sum(item.bytes for item in written),
            rows=self._publication.rows,
        )

    def _pending(self, prepared: Prepared) -> Pending:
        now = _now()
        return Pending(
            flow_run=self._publication.flow_run,
            since=now,
            objects=prepared.paths,
            previous=prepared.previous,
            outcome=stamped(prepared.outcome, now),
        )

    def _move(self, state: TableState) -> None:
        self._token = self._store.swap(self._path, encode_state(state), self._token)
        self._state = state

    def _fence(self) -> None:
        found = self._store.read(self._path)
        if found is None or found.version != self._token:
            raise _conflict(
                self._lake, self._publication, "another run took over while it was being written"
            )

    def _is_committed(self) -> bool:
        return self._publication.flow_run in self._state.committed

    def _repeated(self) -> Published:
        own = self._state.flow_run == self._publication.flow_run
        objects = self._state.objects if own else ()
        return Published(
            state=self._state,
            objects=objects,
            bytes=sum(item.bytes for item in objects),
            rows=self._publication.rows,
            repeated=True,
        )

    def _refuse_if_overtaken(self) -> None:
        base = self._publication.base_version
        if base is not None and base != self._state.version:
            raise _conflict(
                self._lake,
                self._publication,
                f"flow run {self._state.flow_run} published version {self._state.version} "
                f"while this run was working on version {base}",
            )

    def _settle(self, is_over: Callable[[str], bool]) -> bool:
        """Settle what an earlier publish left; True where that was our own and it is done."""
        pending = self._state.pending
        if pending is None:
            return False
        own = pending.flow_run == self._publication.flow_run
        if not own and not is_over(pending.flow_run):
            raise _conflict(
                self._lake,
                self._publication,
                f"flow run {pending.flow_run} has been publishing it since {pending.since}",
            )
        self._state = settled(self._lake, self._state, pending, _now())
        return self._is_committed()


def _conflict(lake: Lake, publication: Publication, why: str) -> PublishConflict:
    return PublishConflict(
        f"{publication.table} was not published to {lake}: {why}; "
        "nothing of this run is in the lake",
        hint=f"read it again: duckherd run {publication.table}",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
