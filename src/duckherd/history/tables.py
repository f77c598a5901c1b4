"""The tables of the herd through time, and their runs, read from the cache."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from duckherd.history.store import Store
from duckherd.sla.model import Run, Timeline, Version
from duckherd.sla.objective import Objective
from duckherd.sla.schedule import DAY, Instant, Schedule

_SETTLED = 3600.0
_BEFORE = 4 * DAY


@dataclass(frozen=True, slots=True)
class Table:
    """A deployment of the herd as it is now, with its timeline.

    Attributes:
        name: of the deployment; `table` is `schema.name` in the source.
        owner: from the tag `owner:<name>`, None without one.
        source, lake: URLs without user, password and options.
        created: epoch seconds.
    """

    name: str
    id: str
    table: str
    tags: tuple[str, ...]
    owner: str | None
    source: str
    lake: str
    mode: str
    created: Instant
    timeline: Timeline

    @property
    def objective(self) -> Objective | None:
        """What it promises now."""
        return self.timeline.current.objective

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """When it runs now."""
        return self.timeline.current.schedules

    @property
    def paused(self) -> bool:
        """Whether it is paused now."""
        return self.timeline.current.paused

    @property
    def deleted(self) -> bool:
        """Whether the server no longer has it."""
        return self.timeline.deleted is not None


@dataclass(frozen=True, slots=True)
class Herd:
    """All tables and, by name, their runs.

    Attributes:
        now: the moment everything is judged at: when the cache was last brought up to date.
        known_since: the first run the cache knows of; nothing before it is judged.
    """

    now: Instant
    known_since: Instant
    tables: tuple[Table, ...]
    runs: Mapping[str, Sequence[Run]]


def read_herd(store: Store, since: Instant) -> Herd:
    """Every table ever seen, with the runs that can matter to slots from `since` on."""
    fetched = store.get("fetched_at")
    now = datetime.fromisoformat(fetched).timestamp() if fetched else 0.0
    (first,) = store.query("select epoch(min(expected)) from run")[0]
    known = max(first or now, 0.0)
    runs = _runs(store, since - _BEFORE)
    tables = tuple(
        _table(name, rows, runs.get(name, ()), known)
        for name, rows in sorted(_deployments(store).items())
    )
    return Herd(now, known, tables, runs)


_Deployment = tuple[Any, ...]


def _deployments(store: Store) -> dict[str, list[_Deployment]]:
    """Name -> its deployments with their versions, oldest first; a name may be made anew."""
    found: dict[str, list[_Deployment]] = defaultdict(list)
    rows = store.query(
        "select d.name, d.id, epoch(d.created), epoch(d.deleted), epoch(d.scheduled_since), "
        "list(epoch(v.since) order by v.since), list(v.content order by v.since) "
        "from deployment d join deployment_version v on v.deployment_id = d.id "
        "group by all order by 3"
    )
    for name, *rest in rows:
        found[name].append(tuple(rest))
    return found


def _table(
    name: str, deployments: Sequence[_Deployment], runs: Sequence[Run], known: Instant
) -> Table:
    versions: list[Version] = []
    for _, created, deleted, scheduled_since, sinces, contents in deployments:
        each = [_version(since, text) for since, text in zip(sinces, contents, strict=True)]
        each[0] = _first(each[0], max(created, known), scheduled_since, runs, only=len(each) == 1)
        versions += each
        if deleted is not None:
            versions.append(Version(deleted))
    deployment_id, created, deleted, _, _, contents = deployments[-1]
    if deleted is not None:
        versions.pop()
    content = json.loads(contents[-1])
    tags = tuple(content["tags"])
    return Table(
        name=name,
        id=str(deployment_id),
        table=content["table"],
        tags=tags,
        owner=next((tag[6:] for tag in tags if tag.startswith("owner:")), None),
        source=content["source"],
        lake=content["lake"],
        mode=content["mode"],
        created=created,
        timeline=Timeline(name, tuple(versions), deleted),
    )


def _version(since: Instant, text: str) -> Version:
    return replace(_parsed(text), since=since)


@lru_cache(maxsize=8192)
def _parsed(text: str) -> Version:
    content = json.loads(text)
    return Version(
        since=0.0,
        schedules=tuple(Schedule.from_api(spec) for spec in content["schedules"]),
        paused=content["paused"],
        objective=_objective(json.dumps(content["objective"], sort_keys=True)),
    )


@lru_cache(maxsize=8192)
def _objective(text: str) -> Objective | None:
    content = json.loads(text)
    if content is None:
        return None
    try:
        return Objective.model_validate(content)
    except ValidationError:
        # Written without duckherd's validation; a table without a readable promise has none.
        return None


def _first(
    version: Version, since: Instant, scheduled_since: Instant, runs: Sequence[Run], *, only: bool
) -> Version:
    """Date the first version: schedules made anew (as each deploy does) may be older.

    They are taken to hold since the deployment was created when every scheduled run
    agrees with them, else since they were last written; before that only runs tell.
    """
    if not only or scheduled_since <= since + _SETTLED:
        return replace(version, since=since)
    before = {
        run.scheduled for run in runs if run.scheduled and since <= run.scheduled < scheduled_since
    }
    times = {t for one in version.schedules for t in one.times(since, scheduled_since)}
    return replace(version, since=since if before <= times else scheduled_since)


def _runs(store: Store, since: Instant) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    rows = store.query(
        "select d.name, r.id::varchar, r.state, r.state_name, "
        "case when scheduled then epoch(expected) end, attempts, epoch(start), "
        'epoch("end"), epoch(published_at), epoch(data_until), backfill '
        "from run r join deployment d on d.id = r.deployment_id "
        "where expected >= make_timestamp((? * 1000000)::bigint)",
        since,
    )
    for name, *values in rows:
        found[name].append(Run(*values))
    return found


def utc(moment: Instant) -> datetime:
    """The moment as an aware datetime."""
    return datetime.fromtimestamp(moment, UTC)
