"""`duckherd steps`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from duckherd.cli.output import Field, Output, Row, emit, message
from duckherd.cli.past import Offline, Select, choose, past, seconds
from duckherd.cli.project import Exclude
from duckherd.units import duration, plural

if TYPE_CHECKING:
    from duckherd.history.figures import TableStep


def _longer(seconds: float) -> str:
    return duration(seconds) if seconds > 0 else ""


FIELDS = (
    Field("deployment", "DEPLOYMENT"),
    Field("owner", "OWNER", spare=1),
    Field("step", "STEP"),
    Field("recent", "THIS WEEK", show=duration, right=True),
    Field("before", "BEFORE", show=duration, right=True),
    Field(
        "slower", "SLOWER BY", show=lambda value: duration(value) if value > 0 else "", right=True
    ),
    Field("share", "OF ITS TIME", show=lambda value: f"{100 * value:.0f} %", right=True, spare=2),
    Field("runs", "RUNS", right=True, spare=3),
)


def steps(
    *select: Select,
    window: Annotated[str, Parameter(help="How far to look back.")] = "28d",
    regressions: Annotated[
        bool, Parameter(negative=(), help="What became slower this week, the most seconds first.")
    ] = False,
    exclude: Exclude = None,
    output: Output = "text",
    offline: Offline = False,
) -> None:
    """Show which step is the bottleneck.

    A row for each table's slowest step, by its median duration in the last week; p50, p95
    and p99 of every step over all runs follow on stderr.
    """
    from duckherd.history.figures import step_times, table_steps
    from duckherd.report.sections import regressions as slower

    with past("duckherd steps", offline=offline) as opened:
        judged = choose(opened.judge(), select, exclude)
        names = [table.name for table in judged.tables]
        since = judged.now - (seconds(window) or 0.0)
        found = table_steps(opened.store, names, since, judged.now)
        owners = {table.name: table.owner for table in judged.tables}
        chosen = slower(found, len(found)) if regressions else _longest(found)
        rows: list[Row] = [
            {
                "deployment": one.deployment,
                "owner": owners[one.deployment],
                "step": one.step,
                "recent": one.recent,
                "before": one.before,
                "slower": one.slower,
                "share": one.share,
                "runs": one.runs,
            }
            for one in chosen
        ]
        emit(rows, FIELDS, output, name="steps")
        for step in step_times(opened.store, names, since):
            times = f"p50 {duration(step.p50)}, p95 {duration(step.p95)}, p99 {duration(step.p99)}"
            message(f"{step.step}: {times} over {plural(step.runs, 'run')}")


def _longest(found: Iterable[TableStep]) -> Sequence[TableStep]:
    """Each table's slowest step, the slowest table first."""
    slowest: dict[str, TableStep] = {}
    for one in sorted(found, key=lambda one: -one.recent):
        slowest.setdefault(one.deployment, one)
    return list(slowest.values())
