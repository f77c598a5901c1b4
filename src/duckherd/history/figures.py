"""Figures of many runs at once, counted by DuckDB in the cache. Instants are epoch seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from duckherd.history.store import Store
from duckherd.sla.schedule import DAY, Instant

STEPS = ("extract", "check", "publish")

_RUNS = (
    "with r as (select d.name as deployment, r.*, epoch(expected) as due, epoch(start) as began, "
    'epoch("end") as ended from run r join deployment d on d.id = r.deployment_id '
    "where d.name in (select unnest(?)) and expected >= make_timestamp((? * 1000000)::bigint)) "
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What one flow run did.

    Attributes:
        seconds: step -> duration in seconds, steps that were reached only.
        published, data_until: instants, None where it did not publish.
        object: path of the first object below the lake; objects: how many.
        gone: the server no longer has it.
    """

    id: str
    name: str
    deployment: str
    due: Instant
    began: Instant | None
    ended: Instant | None
    scheduled: bool
    state: str
    state_name: str
    message: str | None
    attempts: int
    rows: int | None
    bytes: int | None
    seconds: dict[str, float]
    checks: int | None
    checks_failed: int | None
    checks_warned: int | None
    failed_checks: str | None
    version: int | None
    watermark: str | None
    data_until: Instant | None
    published: Instant | None
    object: str | None
    objects: int | None
    schema_change: str | None
    step: str | None
    error: str | None
    gone: bool

    @property
    def cause(self) -> str:
        """Why it failed, in a word or two: our error's name, else Prefect's state."""
        return self.error or self.state_name or self.state.title()


_FACTS = (
    "select id::varchar, name, deployment, due, began, ended, scheduled, state, state_name, "
    "message, attempts, rows, bytes, [extract_seconds, check_seconds, publish_seconds], checks, "
    "checks_failed, checks_warned, failed_checks, version, watermark, epoch(data_until), "
    "epoch(published_at), object, objects, schema_change, step, error, gone from r "
)


def _facts(rows: Iterable[tuple[Any, ...]]) -> tuple[RunFacts, ...]:
    return tuple(_fact(list(row)) for row in rows)


def _fact(values: list[Any]) -> RunFacts:
    values[13] = _seconds(values[13])
    return RunFacts(*values)


def _seconds(values: Sequence[float | None]) -> dict[str, float]:
    return {step: value for step, value in zip(STEPS, values, strict=True) if value is not None}


def last_runs(
    store: Store, names: Sequence[str], since: Instant, each: int
) -> dict[str, list[RunFacts]]:
    """Deployment -> its newest runs, `each` at most, newest first."""
    rows = store.query(
        _RUNS + _FACTS + "qualify row_number() over "
        "(partition by deployment order by due desc, id) <= ? order by deployment, due desc, id",
        names, since, each,
    )  # fmt: skip
    found: dict[str, list[RunFacts]] = {}
    for facts in _facts(rows):
        found.setdefault(facts.deployment, []).append(facts)
    return found


def runs_by_id(store: Store, ids: Sequence[str]) -> dict[str, RunFacts]:
    """Run id -> the run."""
    rows = store.query(
        "with r as (select d.name as deployment, r.*, epoch(expected) as due, "
        'epoch(start) as began, epoch("end") as ended from run r '
        "join deployment d on d.id = r.deployment_id where r.id in (select unnest(?::uuid[]))) "
        + _FACTS,
        list(ids),
    )
    return {facts.id: facts for facts in _facts(rows)}


def find_runs(store: Store, text: str) -> tuple[RunFacts, ...]:
    """Runs of that id, beginning of an id, or name; the newest first, ten at most."""
    rows = store.query(
        "with r as (select d.name as deployment, r.*, epoch(expected) as due, "
        'epoch(start) as began, epoch("end") as ended from run r '
        "join deployment d on d.id = r.deployment_id "
        "where starts_with(r.id::varchar, lower(?)) or r.name = ?) "
        + _FACTS + "order by due desc limit 10",
        text, text,
    )  # fmt: skip
    return _facts(rows)


def failed_runs(store: Store, names: Sequence[str], since: Instant) -> tuple[RunFacts, ...]:
    """Runs that failed or crashed, the newest first."""
    rows = store.query(
        _RUNS + _FACTS + "where state in ('FAILED', 'CRASHED') order by due desc, deployment",
        names, since,
    )  # fmt: skip
    return _facts(rows)


def schema_changes(store: Store, names: Sequence[str], since: Instant) -> tuple[RunFacts, ...]:
    """Runs that found changed columns, the newest first."""
    rows = store.query(
        _RUNS + _FACTS + "where schema_change is not null order by due desc, deployment",
        names, since,
    )  # fmt: skip
    return _facts(rows)


@dataclass(frozen=True, slots=True)
class StepTime:
    """Durations of one step in seconds over all runs that finished it; total is their sum."""

    step: str
    runs: int
    p50: float
    p95: float
    p99: float
    total: float


_LONG = (
    ", s as (select deployment, due, step, seconds from ("
    'unpivot (select deployment, due, extract_seconds as extract, check_seconds as "check", '
    'publish_seconds as publish from r) on extract, "check", publish '
    "into name step value seconds)) "
)


def step_times(store: Store, names: Sequence[str], since: Instant) -> tuple[StepTime, ...]:
    """Of each step, in the order of the steps; percentiles are nearest-rank."""
    rows = store.query(
        _RUNS + _LONG + "select step, count(*), quantile_disc(seconds, 0.5), "
        "quantile_disc(seconds, 0.95), quantile_disc(seconds, 0.99), sum(seconds) from s "
        "group by 1",
        names, since,
    )  # fmt: skip
    return tuple(StepTime(*row) for row in sorted(rows, key=lambda row: STEPS.index(row[0])))


@dataclass(frozen=True, slots=True)
class TableStep:
    """One table's step: median seconds in the last week and in the time before.

    Attributes:
        before: None without runs before; share: of the table's whole running time.
    """

    deployment: str
    step: str
    recent: float
    before: float | None
    share: float
    runs: int

    @property
    def slower(self) -> float:
        """Seconds it takes longer than before; 0 without a before."""
        return self.recent - self.before if self.before is not None else 0.0


_LEAST = 3


def table_steps(
    store: Store, names: Sequence[str], since: Instant, now: Instant
) -> tuple[TableStep, ...]:
    """Of each table and step that ran at least three times in the last week."""
    rows = store.query(
        _RUNS + _LONG + "select deployment, step, "
        "quantile_disc(seconds, 0.5) filter (due >= ?), quantile_disc(seconds, 0.5) "
        "filter (due < ?), sum(seconds) / sum(sum(seconds)) over (partition by deployment), "
        "count(*) filter (due >= ?) from s group by 1, 2 having count(*) filter (due >= ?) >= ? "
        "order by 1, 2",
        names, since, *[now - 7 * DAY] * 4, _LEAST,
    )  # fmt: skip
    return tuple(TableStep(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class HourWait:
    """Seconds runs waited from their scheduled time to their start, by hour of the schedule."""

    hour: int
    runs: int
    p50: float
    p95: float
    maximum: float


def queue_waits(
    store: Store, names: Sequence[str], since: Instant, offset: float
) -> tuple[HourWait, ...]:
    """By hour of the day; `offset` is the display zone's distance from UTC in seconds."""
    rows = store.query(
        _RUNS + ", w as (select ((due + ?) // 3600 % 24)::integer as hour, "
        "greatest(began - due, 0) as wait from r where scheduled and began is not null) "
        "select hour, count(*), quantile_disc(wait, 0.5), quantile_disc(wait, 0.95), max(wait) "
        "from w group by 1 order by 1",
        names, since, offset,
    )  # fmt: skip
    return tuple(HourWait(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class FailingCheck:
    """A check by name: how often it failed, on how many tables, and when last."""

    check: str
    failures: int
    blocking: int
    tables: tuple[str, ...]
    last: Instant


def failing_checks(store: Store, names: Sequence[str], since: Instant) -> tuple[FailingCheck, ...]:
    """The most frequent first. A run that was stopped counts its checks as blocking."""
    rows = store.query(
        _RUNS + ", c as (select deployment, due, state_name = 'ChecksFailed' as blocked, "
        "unnest(string_split(failed_checks, '; ')) as name from r where failed_checks is not null) "
        "select name, count(*), count(*) filter (blocked), list(distinct deployment order by "
        "deployment), max(due) from c group by 1 order by 2 desc, 1",
        names, since,
    )  # fmt: skip
    return tuple(FailingCheck(n, f, b, tuple(t), last) for n, f, b, t, last in rows)


@dataclass(frozen=True, slots=True)
class RowTrend:
    """Rows a table published, oldest first: (instant, rows)."""

    deployment: str
    points: tuple[tuple[Instant, int], ...]

    @property
    def change(self) -> float:
        """Newest rows against the median of all, as a share: 0.1 is ten percent more."""
        ordered = sorted(rows for _, rows in self.points)
        median = ordered[(len(ordered) - 1) // 2]
        return (self.points[-1][1] - median) / median if median else 0.0


def row_trends(store: Store, names: Sequence[str], since: Instant) -> tuple[RowTrend, ...]:
    """Of tables with at least three publishes."""
    rows = store.query(
        _RUNS + "select deployment, list(due order by due), list(rows order by due) from r "
        "where published_at is not null and rows is not null group by 1 "
        "having count(*) >= ? order by 1",
        names, since, _LEAST,
    )  # fmt: skip
    return tuple(
        RowTrend(name, tuple(zip(dues, counts, strict=True))) for name, dues, counts in rows
    )
