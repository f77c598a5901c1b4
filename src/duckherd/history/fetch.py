"""Bring the cache up to date with the server, asking only for what is new or changed.

1. The server counts its runs by hour (since the last fetch) or by day (all of history,
   every few hours); a stretch whose count differs from the cache's is read. That finds
   new runs, resumes an interrupted fetch, and shows runs the server deleted: they stay
   in the cache, marked `gone`.
2. Runs that ended since, that are active, or that were active when last seen are read
   again, whenever they were due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from duckherd.api.client import PAGE, Api
from duckherd.history.deployments import fetch_deployments
from duckherd.history.herd import FLOWS
from duckherd.history.rows import run_row
from duckherd.history.store import Store
from duckherd.sla.model import ACTIVE_STATES

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_OVERLAP = timedelta(minutes=10)
_MOST_BUCKETS = 500  # the server's own limit
_RECOUNT_ALL = timedelta(hours=6)
_STRETCH = 2000
_INSTANT = timedelta(microseconds=1)

Json = Any
Progress = Callable[[int], None]
"""Told how many runs were stored so far."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one fetch brought.

    Attributes:
        runs: flow runs stored, new and changed.
        versions: deployment versions stored.
        gone: runs newly found missing on the server.
    """

    runs: int
    versions: int
    gone: int


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Runs the server and the cache have in [start, end)."""

    start: datetime
    end: datetime
    theirs: int
    ours: int


def fetch(
    api: Api, store: Store, now: datetime | None = None, progress: Progress = lambda _: None
) -> Fetched:
    """Bring `store` up to date with what the server knows until `now`."""
    return _Fetch(api, store, now or datetime.now(UTC), progress).run()


class _Fetch:
    def __init__(self, api: Api, store: Store, now: datetime, progress: Progress) -> None:
        self.api = api
        self.store = store
        self.now = now
        self.progress = progress
        self.stored = 0
        self.gone = 0
        self.changed = False

    def run(self) -> Fetched:
        last = self._remembered("fetched_at")
        counted = self._remembered("counted_at")
        everything = last is None or counted is None or self.now - counted > _RECOUNT_ALL
        if everything:
            self._read_differing(self._first_day(), _DAY)
        elif last is not None:
            self._read_differing(_floor(last, _HOUR) - _DAY, _HOUR)
        if last is not None:
            self._read_changed(last - _OVERLAP)
        versions = fetch_deployments(self.api, self.store, self.now)
        if everything:
            self.store.set("counted_at", self.now.isoformat())
        self.store.set("fetched_at", self.now.isoformat())
        if self.changed or versions or self.gone:
            self.store.set("changes", str(int(self.store.get("changes") or 0) + 1))
        return Fetched(self.stored, versions, self.gone)

    def _remembered(self, key: str) -> datetime | None:
        text = self.store.get(key)
        return datetime.fromisoformat(text) if text else None

    def _keep(self, runs: Sequence[Json]) -> None:
        self.changed |= self.store.upsert_runs([run_row(run) for run in runs])
        self.stored += len(runs)
        self.progress(self.stored)

    def _lose(self, ids: set[str]) -> None:
        if ids:
            self.store.mark_gone(sorted(ids))
            self.gone += len(ids)

    # -- runs whose number differs

    def _first_day(self) -> datetime:
        """The first day of which the server or the cache has runs."""
        oldest = self.api.post(
            "/flow_runs/filter", {"flows": FLOWS, "sort": "EXPECTED_START_TIME_ASC", "limit": 1}
        )
        (ours,) = self.store.query("select min(expected) from run where not gone")[0]
        days = [datetime.fromisoformat(run["expected_start_time"]) for run in oldest]
        days += [ours.replace(tzinfo=UTC)] if ours else []
        return _floor(min([*days, self.now]), _DAY)

    def _read_differing(self, start: datetime, width: timedelta) -> None:
        differing = (one for one in self._buckets(start, width) if one.theirs != one.ours)
        for stretch in _stretches(differing):
            self._read_stretch(stretch)

    def _buckets(self, start: datetime, width: timedelta) -> Iterator[_Bucket]:
        while start <= self.now:
            end = min(start + _MOST_BUCKETS * width, _floor(self.now, width) + width)
            yield from self._count(start, end, width)
            start = end

    def _count(self, start: datetime, end: datetime, width: timedelta) -> list[_Bucket]:
        theirs = self.api.post(
            "/flow_runs/history",
            {
                "flows": FLOWS,
                "flow_runs": {"expected_start_time": {"before_": self.now.isoformat()}},
                "history_start": start.isoformat(),
                "history_end": end.isoformat(),
                "history_interval_seconds": width.total_seconds(),
            },
        )
        ours = dict(
            self.store.query(
                "select epoch(expected)::bigint // ? as bucket, count(*) from run "
                "where not gone and expected between ?::timestamp and ?::timestamp group by 1",
                int(width.total_seconds()),
                start.isoformat(),
                min(end, self.now).isoformat(),
            )
        )
        return [_bucket(bucket, ours, width) for bucket in theirs]

    def _read_stretch(self, stretch: Sequence[_Bucket]) -> None:
        """Read all runs of neighbouring buckets; what the cache has beyond them is gone."""
        start, end = stretch[0].start, min(stretch[-1].end - _INSTANT, self.now)
        bounds = {"after_": start.isoformat(), "before_": end.isoformat()}
        offsets = range(0, sum(bucket.theirs for bucket in stretch), PAGE)
        found: set[str] = set()
        for page in self._pages({"expected_start_time": bounds}, offsets):
            self._keep(page)
            found.update(run["id"] for run in page)
        ours = self.store.query(
            "select id from run where not gone and expected between ?::timestamp and ?::timestamp",
            start.isoformat(),
            end.isoformat(),
        )
        self._lose_absent({str(run_id) for (run_id,) in ours} - found)

    def _pages(self, flow_runs: Json, offsets: Iterable[int]) -> Iterator[list[Json]]:
        """Pages in order; the next one is asked for while the caller stores the last."""
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(lambda offset: self._page(flow_runs, offset), offsets)

    def _page(self, flow_runs: Json, offset: int) -> list[Json]:
        found: list[Json] = self.api.post(
            "/flow_runs/filter",
            {
                "flows": FLOWS,
                "flow_runs": flow_runs,
                "sort": "ID_DESC",
                "limit": PAGE,
                "offset": offset,
            },
        )
        return found

    # -- runs that changed

    def _read_changed(self, since: datetime) -> None:
        due = {"before_": self.now.isoformat()}
        active = self.store.query(
            "select id from run where not gone and state in (select unnest(?))",
            sorted(ACTIVE_STATES),
        )
        seen: set[str] = set()
        for changed in (
            {"end_time": {"after_": since.isoformat()}, "expected_start_time": due},
            {"state": {"type": {"any_": sorted(ACTIVE_STATES)}}, "expected_start_time": due},
        ):
            seen |= self._read_all(changed)
        self._lose_absent({str(run_id) for (run_id,) in active} - seen)

    def _read_all(self, flow_runs: Json) -> set[str]:
        """Read all pages of a filter; the ids found."""
        seen: set[str] = set()
        offset = 0
        while True:
            page = self._page(flow_runs, offset)
            self._keep(page)
            seen.update(run["id"] for run in page)
            if len(page) < PAGE:
                return seen
            offset += PAGE

    def _lose_absent(self, ids: set[str]) -> None:
        """Read runs again by id (pages move while runs come and go); the rest is gone."""
        ordered = sorted(ids)
        for first in range(0, len(ordered), PAGE):
            asked = ordered[first : first + PAGE]
            page = self._page({"id": {"any_": asked}}, 0)
            self._keep(page)
            self._lose(set(asked) - {run["id"] for run in page})


def _floor(moment: datetime, width: timedelta) -> datetime:
    seconds = width.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _bucket(bucket: Json, ours: dict[int, int], width: timedelta) -> _Bucket:
    start = datetime.fromisoformat(bucket["interval_start"])
    index = int(start.timestamp() // width.total_seconds())
    theirs = sum(state["count_runs"] for state in bucket["states"])
    end = datetime.fromisoformat(bucket["interval_end"])
    return _Bucket(start, end, theirs, ours.get(index, 0))


def _stretches(buckets: Iterable[_Bucket]) -> Iterator[list[_Bucket]]:
    """Neighbouring buckets together, until a stretch holds enough runs to fill pages."""
    stretch: list[_Bucket] = []
    for bucket in buckets:
        full = sum(one.theirs for one in stretch) >= _STRETCH
        if stretch and (full or stretch[-1].end != bucket.start):
            yield stretch
            stretch = []
        stretch.append(bucket)
    if stretch:
        yield stretch
