"""Deployments whose schedule may have changed without the server saying so."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from duckherd.history.store import Store
from duckherd.sla.schedule import DAY, Instant, Schedule

_GRACE = 600.0
"""Seconds the server's scheduler may take to make a run."""


def suspects(store: Store, now: datetime) -> list[str]:
    """Ids of deployments whose last due time and last scheduled run disagree.

    The one not read for longest comes first, so that a whole herd which missed its night
    is read again a few at a time.
    """
    rows = store.query(
        "with latest as (select deployment_id, arg_max(content, since) as content "
        "from deployment_version group by 1), "
        "ran as (select deployment_id, max(epoch(expected)) as last from run "
        "where scheduled and expected >= ?::timestamp - interval 1 day group by 1) "
        "select d.id, latest.content, ran.last, epoch(d.created) from deployment d "
        "join latest on d.id = latest.deployment_id left join ran on d.id = ran.deployment_id "
        "where d.deleted is null order by d.read_at, d.id",
        now.isoformat(),
    )
    moment = now.timestamp()
    return [
        str(one)
        for one, content, last, created in rows
        if _disagree(json.loads(content), last, created, moment)
    ]


def _disagree(
    content: dict[str, Any], last: Instant | None, created: Instant, now: Instant
) -> bool:
    specs = [] if content["paused"] else content["schedules"]
    schedules = [Schedule.from_api(spec) for spec in specs]
    due = last_due(schedules, now - _GRACE)
    if due is not None and due < created:
        due = None
    if last is None or due is None:
        return last != due
    return due > last or last not in _times_around(schedules, last)


def last_due(schedules: list[Schedule], now: Instant) -> Instant | None:
    """The last time any schedule fired in the day before `now`."""
    # Whole days, so that tables which share a schedule share the cached answer.
    start = now // DAY * DAY - DAY
    times = [t for one in schedules for t in one.times(start, start + 2 * DAY) if t <= now]
    return max((t for t in times if t > now - DAY), default=None)


def _times_around(schedules: list[Schedule], moment: Instant) -> set[Instant]:
    start = moment // DAY * DAY
    return {t for one in schedules for t in one.times(start, start + DAY)}
