"""What one publish will do to the lake: a value, made before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from duckherd.checks.model import Load
from duckherd.lake.assembly import Assembly
from duckherd.lake.model import Bounds, LakeObject, Publication, TableState

_HISTORY = 100
_SCHEMA_CHANGES = 20
_COMMITTED = 20


@dataclass(frozen=True, slots=True)
class Write:
    """One Parquet object to write. Slice and bounds as in LakeObject."""

    path: str
    assembly: Assembly
    slice: tuple[str | None, str | None] | None = None
    bounds: Bounds = "(]"

    @property
    def object(self) -> LakeObject:
        """The object as the state will tell it, without its version."""
        return LakeObject(
            self.path, self.assembly.rows, self.assembly.size, None, self.slice, self.bounds
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The objects of the next version.

    Attributes:
        kept: of the version before, as they are.
        dropped: paths that no longer belong to the table; deleted after the commit.
    """

    writes: tuple[Write, ...]
    kept: tuple[LakeObject, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[LakeObject, ...]:
        """Of the next version; those to be written without a version of their own."""
        return (*self.kept, *(write.object for write in self.writes))


def others(state: TableState, paths: set[str]) -> tuple[str, ...]:
    """Objects of the version before that are not in `paths`."""
    return tuple(item.path for item in state.objects if item.path not in paths)


def outcome(
    state: TableState,
    publication: Publication,
    objects: tuple[LakeObject, ...],
    dropped: tuple[str, ...] = (),
) -> TableState:
    """The state once everything is written; `stamped` sets the moment of its commit."""
    load = Load(published_at="", rows=publication.rows, metrics=dict(publication.metrics))
    return replace(
        state,
        version=state.version + 1,
        mode=publication.mode,
        format=publication.format,
        flow_run=publication.flow_run,
        # A backfill reads an old range again: what was read up to stays as it was.
        data_until=state.data_until if publication.backfill else publication.read_at,
        watermark=_watermark(state, publication),
        objects=objects,
        columns=publication.columns,
        rows=sum(item.rows for item in objects),
        delta_version=None,
        history=(load, *state.history)[:_HISTORY],
        schema_changes=_schema_changes(state, publication),
        committed=(publication.flow_run, *state.committed)[:_COMMITTED],
        obsolete=dropped,
        pending=None,
    )


def stamped(state: TableState, now: str) -> TableState:
    """An outcome, committed at `now` (ISO 8601 UTC)."""
    latest = replace(state.history[0], published_at=now)
    return replace(state, published_at=now, history=(latest, *state.history[1:]))


def _watermark(state: TableState, publication: Publication) -> str | None:
    if publication.mode == "replace":
        return None
    before = state.watermark if state.continues(publication.mode, publication.format) else None
    return before if publication.backfill else publication.watermark or before


def _schema_changes(state: TableState, publication: Publication) -> tuple[str, ...]:
    day = publication.read_at[:10]
    lines = tuple(f"{day}: {line}" for line in publication.schema_change)
    return (*lines, *state.schema_changes)[:_SCHEMA_CHANGES]
