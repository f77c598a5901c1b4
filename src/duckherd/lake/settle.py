"""What becomes of a publish that announced itself and never committed."""

from __future__ import annotations

from dataclasses import replace

from duckherd.lake import parquet
from duckherd.lake.model import LakeObject, Pending, TableState
from duckherd.lake.plan import stamped
from duckherd.lake.store import Store


def settled(store: Store, state: TableState, pending: Pending, now: str) -> TableState:
    """The state without `pending`, for the caller to write.

    Forward where every announced object carries the pending flow run's id; else back,
    and objects of it that did not exist before are deleted. Both may be repeated.
    """
    found = parquet.landed(store, pending)
    if pending.outcome is not None and len(found) == len(pending.objects):
        return stamped(_with_versions(pending.outcome, found), now)
    before = dict(pending.previous)
    store.remove(item.path for item in found if before.get(item.path) is None)
    return replace(state, pending=None)


def _with_versions(outcome: TableState, found: tuple[LakeObject, ...]) -> TableState:
    versions = {item.path: item for item in found}
    return replace(
        outcome, objects=tuple(versions.get(item.path, item) for item in outcome.objects)
    )
