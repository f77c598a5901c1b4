"""Deployments and how they changed: versions, each with the time since it holds.

Prefect's server spends some 25 ms on every deployment it returns (it lists the time
zone files for each schedule), so only what may have changed is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from duckherd.api.client import PAGE, Api
from duckherd.history.herd import FLOWS
from duckherd.history.rows import Row, deployment_content
from duckherd.history.store import Store
from duckherd.history.suspects import suspects

Json = Any
_FEW = 20


def fetch_deployments(api: Api, store: Store, now: datetime) -> int:
    """Store what deployments say now where that is new; mark the removed ones.

    Returns the number of new versions.
    """
    versions = sum(_store(store, page, now) for page in _updated(api, store))
    known = _known(store)
    count = api.post("/deployments/count", {"flows": FLOWS})
    removed = _removed(api, known) if count != len(known) else []
    _mark_removed(store, removed, now)
    # Schedules can change without their deployment's `updated`; a run where none was
    # due, or none where one was, gives that away.
    suspicious = suspects(store, now)[:_FEW]
    if suspicious:
        again = {"id": {"any_": suspicious}}
        page = api.post("/deployments/filter", {"flows": FLOWS, "deployments": again})
        versions += _store(store, page, now)
    return versions


def _updated(api: Api, store: Store) -> Iterator[list[Json]]:
    """Pages by descending `updated`, as far as there is something new."""
    (newest,) = store.query("select max(updated) from deployment")[0]
    offset, limit = 0, PAGE if newest is None else 1
    while True:
        page = api.post(
            "/deployments/filter",
            {"flows": FLOWS, "sort": "UPDATED_DESC", "limit": limit, "offset": offset},
        )
        if newest is not None:
            page = [one for one in page if _utc(one["updated"]) > newest.replace(tzinfo=UTC)]
        yield page
        if len(page) < limit:
            return
        offset, limit = offset + limit, _FEW if newest is not None else PAGE


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _store(store: Store, page: Sequence[Json], now: datetime) -> int:
    """Put deployments in; the number of versions that are new."""
    if not page:
        return 0
    ids = [one["id"] for one in page]
    latest = {
        str(deployment_id): (content, since.replace(tzinfo=UTC))
        for deployment_id, content, since in store.query(
            "select deployment_id, arg_max(content, since), max(since) from deployment_version "
            "where deployment_id in (select unnest(?::uuid[])) group by 1",
            ids,
        )
    }
    rows = []
    for one in page:
        content, since = latest.get(one["id"], (None, None))
        if (new := deployment_content(one)) != content:
            rows.append(_version(one, new, since, now))
    store.put_deployments([_deployment(one, now) for one in page], rows)
    return len(rows)


def _deployment(one: Json, now: datetime) -> Row:
    return {
        "id": one["id"],
        "name": one["name"],
        "created": one["created"],
        "updated": one["updated"],
        "scheduled_since": _schedules_changed(one),
        "read_at": now.isoformat(),
        "deleted": None,
    }


def _schedules_changed(one: Json) -> str:
    """When the schedules became what they are."""
    changes = [spec["updated"] for spec in one.get("schedules") or () if spec.get("updated")]
    return str(max(changes, key=_utc, default=one["created"]))


def _version(one: Json, content: str, last: datetime | None, now: datetime) -> Row:
    """The first version seen holds since the deployment was made; later ones since the change."""
    since = _utc(one["created"])
    if last is not None:
        changed = max(_utc(one["updated"]), _utc(_schedules_changed(one)))
        # A change the server does not date (a schedule removed) happened before now.
        since = changed if last < changed else now
    return {
        "deployment_id": one["id"],
        "since": min(since, now).isoformat(),
        "content": content,
    }


def _known(store: Store) -> list[str]:
    return [str(one) for (one,) in store.query("select id from deployment where deleted is null")]


def _removed(api: Api, ids: Sequence[str]) -> list[str]:
    """Those of `ids` the server does not have, found by counting ever smaller halves."""
    if not ids or api.post("/deployments/count", _among(ids)) == len(ids):
        return []
    if len(ids) == 1:
        return list(ids)
    half = len(ids) // 2
    return [*_removed(api, ids[:half]), *_removed(api, ids[half:])]


def _among(ids: Iterable[str]) -> Json:
    return {"flows": FLOWS, "deployments": {"id": {"any_": list(ids)}}}


def _mark_removed(store: Store, ids: Sequence[str], now: datetime) -> None:
    if ids:
        store.db.execute(
            "update deployment set deleted = ?::timestamp where id in (select unnest(?::uuid[]))",
            [now.isoformat(), list(ids)],
        )
