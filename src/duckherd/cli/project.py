"""What the commands about `prefect.yaml` have in common: options, and plans as text and rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from duckherd.cli.output import Field, Row, message
from duckherd.cli.units import plural

if TYPE_CHECKING:
    from duckherd.api import Api
    from duckherd.project.plan import Change, Plan

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
File = Annotated[Path, Parameter(name=["--file", "-f"], help="The project file.")]
Exclude = Annotated[
    list[str] | None, Parameter(negative=(), help="A selection to leave out; may be repeated.")
]

PROJECT_FILE = Path("prefect.yaml")
_SIGNS = {"create": "+", "update": "~", "orphaned": "-"}
_STYLES = {"+": "green", "~": "yellow", "-": "red"}
_WIDE = 60


def shown(value: Any) -> str:
    """A JSON value on one line; texts without quotes."""
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


FIELDS = (
    Field("action", "ACTION"),
    Field("deployment", "DEPLOYMENT"),
    Field("table", "TABLE"),
    Field("field", "FIELD"),
    Field("before", "BEFORE", show=shown),
    Field("after", "AFTER", show=shown),
)


def plan_rows(plan: Plan) -> Iterator[Row]:
    """One row for each field that changes, and one for each deployment made or orphaned."""
    for step in plan.changes:
        about = _about(step.action, step.deployment.name, step.deployment.parameters)
        if not step.changes:
            yield about
        for change in step.changes:
            values = {"before": change.before, "after": change.after}
            yield {**about, "field": change.field, **values}
    for orphan in plan.orphaned:
        there = orphan.deployment
        yield _about("orphaned", there.name, there.parameters)


def plan_text(plan: Plan) -> Iterator[str]:
    """The plan for people: `+` created, `~` updated field by field, `-` orphaned."""
    for step in plan.changes:
        yield f"{_SIGNS[step.action]} {step.deployment.name}"
        for change in step.changes:
            yield from _change_lines(change)
    for orphan in plan.orphaned:
        yield f"{_SIGNS['orphaned']} {orphan.deployment.name}  (on the server, not in the file)"
    for left in plan.left:
        yield f"  {left.name}  (left to prefect deploy: {left.reason})"


def summary(plan: Plan) -> str:
    """`3 to create, 1 to update, 40 unchanged`."""
    counts = (
        (len(plan.of("create")), "to create"),
        (len(plan.of("update")), "to update"),
        (len(plan.of("unchanged")), "unchanged"),
        (len(plan.orphaned), "orphaned"),
        (len(plan.left), "left to prefect deploy"),
    )
    told = [f"{number:,} {what}" for number, what in counts if number]
    return ", ".join(told) or "the file has no deployments"


def counts(plan: Plan) -> Row:
    """The same numbers for JSON."""
    return {
        "create": len(plan.of("create")),
        "update": len(plan.of("update")),
        "unchanged": len(plan.of("unchanged")),
        "orphaned": len(plan.orphaned),
        "left": [{"deployment": left.name, "reason": left.reason} for left in plan.left],
    }


def _about(action: str, name: str, parameters: Any) -> dict[str, Any]:
    return {"action": action, "deployment": name, "table": parameters.get("table")}


def _change_lines(change: Change) -> Iterator[str]:
    if change.field == "parameter_schema":
        yield "    parameter_schema: as this release of the flow has it"
        return
    before, after = _value(change.field, change.before), _value(change.field, change.after)
    if len(before) + len(after) <= _WIDE:
        yield f"    {change.field}: {before} -> {after}"
        return
    yield f"    {change.field}:"
    yield f"      - {before}"
    yield f"      + {after}"


def _value(field: str, value: Any) -> str:
    if field in {"schedules", "tags"}:
        return ", ".join(value) or "(none)"
    return shown(value)


def print_lines(lines: Iterable[str]) -> None:
    """Print a plan on stdout, in colours on a terminal, long lines whole."""
    if not sys.stdout.isatty():
        for line in lines:
            print(line)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        sign = line.strip()[:1]
        console.print(Text(line, _STYLES.get(sign, "")), soft_wrap=True)


def planned(
    file: Path, api: Api, select: Iterable[str], exclude: Iterable[str], *, offline: bool
) -> Plan:
    """The plan for a selection of a project file, held against the sources unless offline.

    Raises:
        ProjectError: the file names tables or columns that do not exist.
    """
    from duckherd.project import load
    from duckherd.project.check_sql import wrong_checks
    from duckherd.project.narrow import narrow
    from duckherd.project.planning import plan_for
    from duckherd.project.problems import refuse
    from duckherd.project.source_check import check_sources

    project = load(file)
    found = narrow(plan_for(project, api), select, exclude)
    names = {step.deployment.name for step in found.steps}
    entries = [entry for entry in project.entries if entry.name in names]
    if offline:
        refuse(str(file), wrong_checks(project, entries))
    else:
        report = check_sources(project, entries)
        refuse(str(file), report.problems)
        for reason in report.unreached:
            message(f"not held against the source {reason}")
    return found


def tell_pools(plan: Plan) -> str | None:
    """What is missing before the plan can be applied."""
    if not plan.missing_pools:
        return None
    pools = ", ".join(plan.missing_pools)
    return (
        f"{plural(len(plan.missing_pools), 'work pool')} missing on the server: {pools} "
        "(duckherd apply --create-work-pool)"
    )
