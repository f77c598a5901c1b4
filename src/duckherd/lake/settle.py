"""What becomes of a publish that announced itself and never committed."""

from __future__ import annotations

from dataclasses import replace

from duckherd.lake import parquet
from duckherd.lake.location import Lake
from duckherd.lake.model import LakeObject, Pending, TableState
from duckherd.lake.plan import stamped


def settled(lake: Lake, state: TableState, pending: Pending, now: str) -> TableState:
    """The state without `pending`, for the caller to write.

    Forward where all that was announced carries the pending flow run's id; else back,
    and objects of it that did not exist before are deleted. Both may be repeated.
    """
    forward = _landed(lake, pending)
    if forward is not None:
        return stamped(forward, now)
    _undo(lake, pending)
    return replace(state, pending=None)


def _landed(lake: Lake, pending: Pending) -> TableState | None:
    """The announced outcome where it is all there, None where it is not."""
    if pending.outcome is None:
        return None
    if pending.outcome.format == "delta":
        from duckherd.lake import delta_log

        return delta_log.landed(lake, pending)
    found = parquet.landed(lake.store, pending)
    if len(found) < len(pending.objects):
        return None
    return _with_versions(pending.outcome, found)


def _with_versions(outcome: TableState, found: tuple[LakeObject, ...]) -> TableState:
    written = {item.path: item for item in found}
    return replace(outcome, objects=tuple(written.get(item.path, item) for item in outcome.objects))


def _undo(lake: Lake, pending: Pending) -> None:
    if pending.outcome is not None and pending.outcome.format == "delta":
        return  # What is not in Delta's log is no part of the table.
    before = dict(pending.previous)
    found = parquet.landed(lake.store, pending)
    lake.store.remove(item.path for item in found if before.get(item.path) is None)
