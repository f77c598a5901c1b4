"""`duckherd audit`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from duckherd.cli.connection import connect
from duckherd.cli.output import Field, Output, Row, emit, message
from duckherd.cli.units import count, duration, plural

if TYPE_CHECKING:
    from duckherd.audit.fetch import Monolith

_FIELDS = (
    Field("flow", "FLOW"),
    Field("runs", "RUNS", right=True),
    Field("red", "RED", right=True),
    Field("red_by_few", "BY FEW", right=True),
    Field("tasks", "TASKS", show=count, right=True),
    Field("worked", "WORKED", show=duration, right=True),
    Field("thrown_away", "THROWN AWAY", show=duration, right=True),
    Field("waited", "WAITED", show=duration, right=True),
    Field("late", "LATE", show=duration, right=True),
)


def audit(
    *, days: float = 30, tasks: int = 10, most_runs: int = 60, output: Output = "text"
) -> None:
    """Tell what a monolithic flow on this server costs.

    Looks for flows whose last run has many task runs, one for each table, and tells of
    each: how many runs turned red, how many of them because at most a tenth of the task
    runs failed, the work of good task runs that a red run threw away, how long a task run
    waited for the ones before it (median), and how long data were late because of red
    runs. Only reads.

    Args:
        days: How far back.
        tasks: Task runs in one flow run that make a flow a monolith.
        most_runs: Most runs of each flow, the last ones; at most 200.
    """
    from duckherd.audit.fetch import read_monoliths

    since = datetime.now(UTC) - timedelta(days=days)
    with connect("duckherd audit") as connection:
        found = read_monoliths(connection.api, since=since, tasks=tasks, most_runs=most_runs)
        rows = [_row(each) for each in found]
    emit(rows, _FIELDS, output, name="flows")
    if output == "text":
        _tell(rows, days, tasks)


def _row(monolith: Monolith) -> Row:
    from duckherd.audit.cost import cost

    return {"flow": monolith.flow, **asdict(cost(monolith.runs))}


def _tell(rows: list[Row], days: float, tasks: int) -> None:
    if not rows:
        message(f"No flow has runs of {tasks} or more task runs in the last {days:g} days.")
        return
    for row in rows:
        if row["red"]:
            message(
                f"{row['flow']}: {plural(row['red'], 'run')} of {row['runs']} red, "
                f"{row['red_by_few']} of them for a tenth of the tables or less; "
                f"{duration(row['thrown_away'])} of good work thrown away"
            )
        if row["late"] is None:
            message(f"{row['flow']}: the last run is red; how late its data get is not known yet")
