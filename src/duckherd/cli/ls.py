"""`duckherd ls`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from duckherd.cli.output import Field, Output, Row, emit
from duckherd.cli.project import PROJECT_FILE, Exclude, File

if TYPE_CHECKING:
    from duckherd.project import Entry, Project
    from duckherd.project.selection import Lookup, Selectable

_FIELDS = (
    Field("deployment", "DEPLOYMENT"),
    Field("table"),  # the end of the deployment's name
    Field("mode", "MODE"),
    Field("schedule", "SCHEDULE"),
    Field("owner"),  # one of the tags
    Field("tags", "TAGS"),
    Field("checks", "CHECKS", right=True),
    Field("work_pool"),
    Field("line"),
)


def ls(
    *select: str,
    exclude: Exclude = None,
    file: File = PROJECT_FILE,
    output: Output = "text",
) -> None:
    """List the deployments a selection means.

    Reads the project file; the Prefect server is asked only for state:.

    Args:
        select: A selection; all deployments unless given. See docs/selection.md.
    """
    from duckherd.project import load
    from duckherd.project.selection import parse
    from duckherd.project.selection import select as choose

    project = load(file)
    asked = parse(select).attributes | parse(exclude or ()).attributes
    lookups = {"state": _state_lookup(project)} if "state" in asked else {}
    chosen = choose(project.entries, select, exclude or (), lookups)
    emit(map(_row, chosen), _FIELDS, output, name="deployments")


def _state_lookup(project: Project) -> Lookup:
    from duckherd.cli.connection import connect
    from duckherd.project.narrow import states_of
    from duckherd.project.planning import plan_for

    with connect("duckherd ls") as connection:
        states = states_of(plan_for(project, connection.api))

    def state(record: Selectable) -> Collection[str]:
        return [states[record.name]] if record.name in states else []

    return state


def _row(entry: Entry) -> Row:
    from duckherd.project.desired import schedules_of
    from duckherd.project.selection import owner_of

    parameters = entry.ingest() if entry.ours else None
    pool = entry.config.work_pool
    return {
        "deployment": entry.name,
        "table": entry.table,
        "mode": parameters.mode if parameters else None,
        "schedule": ", ".join(map(str, schedules_of(entry.config))) or None,
        "owner": owner_of(entry),
        "tags": list(entry.tags),
        "checks": len(parameters.checks) if parameters else None,
        "work_pool": pool.name if pool else None,
        "line": entry.position.line,
    }
