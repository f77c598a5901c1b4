"""`duckherd sla`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from duckherd.cli.asked import or_none
from duckherd.cli.ending import Exit
from duckherd.cli.output import Field, Output, Row, emit, message
from duckherd.cli.past import Offline, Select, Window, choose, moment, past
from duckherd.cli.project import Exclude
from duckherd.cli.units import plural

if TYPE_CHECKING:
    from duckherd.report.judged import Judged, Risk
    from duckherd.sla.attainment import GroupBudget

Group = Literal["owner", "tag"]

_STYLES = {"breached": "bold red", "at risk": "yellow"}


def _percent(value: float) -> str:
    return f"{value:.2f} %"


def _minute(value: datetime) -> str:
    return f"{value.astimezone():%a %d %b %H:%M}"


TABLES = (
    Field("deployment", "DEPLOYMENT"),
    Field("owner", "OWNER", spare=1),
    Field("result", "RESULT", style=lambda value: "" if value == "ok" else "yellow"),
    Field("state", "OBJECTIVE", style=lambda value: _STYLES.get(value, "")),
    Field("target", "TARGET", show=_percent, right=True, spare=6),
    Field("attainment", "ATTAINED", show=_percent, right=True, spare=3),
    Field("good", "GOOD", right=True, spare=8),
    Field("valid", "SLOTS", right=True, spare=7),
    Field("missed", "MISSED", right=True, spare=4),
    Field("allowed", "ALLOWED", right=True, spare=5),
    Field("left", "LEFT", right=True),
    Field("excluded", "EXCLUDED", right=True, spare=9),
    Field("next_deadline", "NEXT DUE", show=_minute),
)
GROUPS = (
    Field("group", "GROUP"),
    Field("tables", "TABLES", right=True),
    Field("breached", "BREACHED", right=True),
    Field("attainment", "ATTAINED", show=_percent, right=True),
    Field("missed", "MISSED", right=True),
    Field("allowed", "ALLOWED", show=lambda value: f"{value:.1f}", right=True, spare=1),
    Field("spent", "SPENT", show=lambda value: f"{100 * value:.0f} %", right=True),
    Field("burn_1d", "BURN 1D", show=lambda value: f"{value:.1f}", right=True),
    Field("burn_7d", "BURN 7D", show=lambda value: f"{value:.1f}", right=True),
)


def sla(
    *select: Select,
    window: Window = None,
    by: Annotated[Group | None, Parameter(help="Budgets of groups: owner or tag.")] = None,
    next: Annotated[  # noqa: A002  the option's name
        bool, Parameter(negative=(), help="What breaks next, first; only what is not broken yet.")
    ] = False,
    exclude: Exclude = None,
    output: Output = "text",
    offline: Offline = False,
) -> int:
    """Show objectives and error budgets.

    A slot is one scheduled time of a table; it is good when its data was published before
    its deadline with blocking checks passed. The error budget is told in whole misses.
    Exit code 1 when a selected objective is breached. See docs/sla.md.
    """
    with past("duckherd sla", offline=offline) as opened:
        everything = opened.judge(window)
        judged = or_none(
            lambda: choose(everything, select, exclude),
            everything.tables, select, none=everything.only(()),
        )  # fmt: skip
        breached = sum(one.breached for one in judged.attainments.values())
        if by:
            emit(group_rows(judged.groups(by)), GROUPS, output, name="groups")
        else:
            emit(table_rows(judged, ahead=next), TABLES, output, name="tables")
        promised = sum(table.objective is not None for table in judged.tables)
        if not judged.tables and select:
            message(f"0 of {plural(len(everything.tables), 'table')} match {' '.join(select)}")
        message(f"{breached:,} of {plural(promised, 'objective')} breached")
    return Exit.FAILED if breached else Exit.GOOD


def table_rows(judged: Judged, *, ahead: bool = False) -> Iterable[Row]:
    """A row for each table, the breached first; `ahead`: what breaks next first."""
    from duckherd.report.judged import risk

    risks = [risk(judged, table) for table in judged.tables]
    if ahead:
        promised = (one for one in risks if one.table.objective and not one.attainment.breached)
        risks = sorted(promised, key=lambda one: one.order)
    else:
        risks.sort(key=lambda one: (one.table.objective is None, one.left, one.table.name))
    return [_row(judged, one) for one in risks]


def _row(judged: Judged, one: Risk) -> Row:
    from duckherd.report.judged import result_of

    attainment = one.attainment
    promised = one.table.objective is not None
    found = judged.slots[one.table.name]
    return {
        "deployment": one.table.name,
        "table": one.table.table,
        "owner": one.table.owner,
        "result": next(iter(result_of(found)), None),
        "state": _state(one),
        "target": attainment.target,
        "attainment": attainment.percent,
        "good": attainment.good,
        "valid": attainment.valid,
        "missed": attainment.bad,
        "allowed": attainment.allowed if promised else None,
        "left": attainment.left if promised else None,
        "excluded": sum(bool(slot.reason) for slot in found),
        "next_deadline": moment(one.deadline),
    }


def _state(one: Risk) -> str:
    if one.table.objective is None:
        return "none"
    if one.attainment.breached:
        return "breached"
    return "at risk" if one.failing or (one.left == 0 and one.attainment.bad) else "kept"


def group_rows(groups: Iterable[GroupBudget]) -> Iterable[Row]:
    """A row for each group."""
    for one in groups:
        burn = [rate for _, rate in one.burn]
        yield {
            "group": one.name,
            "tables": one.tables,
            "breached": one.breached,
            "attainment": one.percent,
            "missed": one.bad,
            "allowed": one.allowed,
            "spent": one.spent,
            "burn_1d": burn[0],
            "burn_7d": burn[1],
        }
