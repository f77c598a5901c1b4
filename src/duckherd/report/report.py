"""Gather everything a report tells: figures from the cache, views of its sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from duckherd.history import figures
from duckherd.history.figures import (
    FailingCheck,
    RowTrend,
    RunFacts,
    StepTime,
    TableStep,
)
from duckherd.history.store import Store
from duckherd.report import grid, sections
from duckherd.report.grid import Row
from duckherd.report.judged import Judged
from duckherd.report.sections import Cause, Closeness, Event, TableFailures, Verdict
from duckherd.report.svg import Column
from duckherd.sla.attainment import GroupBudget
from duckherd.sla.schedule import DAY, utc

LAST_RUNS = 5
MOST = 12
"""Rows of a section's "worst" list."""


@dataclass(frozen=True, slots=True)
class Page:
    """A table's page.

    Attributes:
        runs: its newest runs, newest first.
        events: what is worth telling, newest first, each with the run that decided it.
    """

    row: Row
    runs: Sequence[RunFacts]
    events: Sequence[tuple[Event, RunFacts | None]]

    @property
    def published(self) -> RunFacts | None:
        """The newest run that published; None when none of the last ones did."""
        return next((run for run in self.runs if run.published is not None), None)


@dataclass(frozen=True, slots=True)
class Report:
    """All a report tells, ready for the templates."""

    now: datetime
    since: datetime
    days: int
    ui_url: str | None
    verdict: Verdict
    rows: Sequence[Row]
    ticks: Sequence[tuple[int, str]]
    owners: Sequence[str]
    tags: Sequence[str]
    budgets: Mapping[str, Sequence[GroupBudget]]
    causes: Sequence[Cause]
    failing_tables: Sequence[TableFailures]
    margins: Sequence[Column]
    deadline: int
    closest: Sequence[Closeness]
    steps: Sequence[StepTime]
    regressions: Sequence[TableStep]
    waits: Sequence[Column]
    checks: Sequence[FailingCheck]
    trends: Sequence[RowTrend]
    changes: Sequence[RunFacts]
    exclusions: Sequence[tuple[str, int, tuple[str, ...]]]
    window: str
    pages: Mapping[str, Page]

    @property
    def anchors(self) -> Mapping[str, str]:
        """Deployment name -> id of its page."""
        return {name: page.row.id for name, page in self.pages.items()}


def gather(store: Store, judged: Judged, days: int, ui_url: str | None, link: str = "#") -> Report:
    """Everything of the selected tables over the last `days`."""
    names = [table.name for table in judged.tables]
    since = max(judged.now - days * DAY, judged.start)
    rows = grid.rows(judged, days, link)
    slots = [slot for name in names for slot in judged.slots[name] if slot.outcome.is_valid]
    failed = figures.failed_runs(store, names, since)
    bars, deadline = sections.margins(slots)
    first, last = grid.days_of(judged, days)
    trends = figures.row_trends(store, names, since)
    zone = utc(judged.now).astimezone().utcoffset()
    return Report(
        now=utc(judged.now).astimezone(),
        since=utc(since).astimezone(),
        days=days,
        ui_url=ui_url,
        verdict=sections.verdict(judged),
        rows=rows,
        ticks=grid.ticks(first, last),
        owners=sorted({table.owner for table in judged.tables if table.owner}),
        tags=sorted({tag for table in judged.tables for tag in table.tags if ":" not in tag}),
        budgets={
            "the herd": [judged.group("all tables", judged.tables)],
            "owner": judged.groups("owner"),
            "tag": judged.groups("tag"),
        },
        causes=sections.causes(failed),
        failing_tables=sections.failures_by_table(failed, MOST),
        margins=bars,
        deadline=deadline,
        closest=sections.closest(judged, MOST),
        steps=figures.step_times(store, names, since),
        regressions=sections.regressions(
            figures.table_steps(store, names, since, judged.now), MOST
        ),
        waits=sections.waits(
            figures.queue_waits(store, names, since, zone.total_seconds() if zone else 0.0)
        ),
        checks=figures.failing_checks(store, names, since),
        trends=sorted(trends, key=lambda one: -abs(one.change))[:MOST],
        changes=figures.schema_changes(store, names, since)[: 2 * MOST],
        exclusions=sections.exclusions(judged),
        window=_window(judged),
        pages=pages(store, judged, rows, since),
    )


def _window(judged: Judged) -> str:
    if judged.window is not None:
        return f"{judged.window / DAY:g} days"
    windows = sorted({one.objective.window for one in judged.tables if one.objective})
    return " or ".join(windows) if windows else "28d"


def pages(
    store: Store, judged: Judged, rows: Sequence[Row], since: float, runs: int = LAST_RUNS
) -> Mapping[str, Page]:
    """Table name -> its page, in the order of the rows."""
    names = [row.table.name for row in rows]
    newest = figures.last_runs(store, names, since, runs)
    told = {
        name: sections.events([slot for slot in judged.slots[name] if slot.time >= since])
        for name in names
    }
    ids = [event.newest.run for events in told.values() for event in events if event.newest.run]
    facts = figures.runs_by_id(store, ids)
    return {
        row.table.name: Page(
            row,
            newest.get(row.table.name, ()),
            [(event, facts.get(event.newest.run or "")) for event in told[row.table.name]],
        )
        for row in rows
    }
