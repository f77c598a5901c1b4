"""`duckherd changes`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from duckherd.cli.output import Field, Output, emit, message
from duckherd.cli.past import Offline, Select, choose, moment, past, seconds
from duckherd.cli.project import Exclude
from duckherd.units import plural


def _minute(value: datetime) -> str:
    return f"{value.astimezone():%a %d %b %H:%M}"


FIELDS = (
    Field("when", "WHEN", show=_minute),
    Field("deployment", "DEPLOYMENT"),
    Field("owner", "OWNER", spare=1),
    Field("change", "CHANGE"),
    Field("run", "RUN"),
)


def changes(
    *select: Select,
    window: Annotated[str, Parameter(help="How far to look back.")] = "28d",
    exclude: Exclude = None,
    output: Output = "text",
    offline: Offline = False,
) -> None:
    """Show what changed in the tables' schemas, the newest first."""
    from duckherd.history.figures import schema_changes

    with past("duckherd changes", offline=offline) as opened:
        judged = choose(opened.judge(), select, exclude)
        owners = {table.name: table.owner for table in judged.tables}
        since = judged.now - (seconds(window) or 0.0)
        found = schema_changes(opened.store, list(owners), since)
        rows = [
            {
                "when": moment(run.due),
                "deployment": run.deployment,
                "owner": owners[run.deployment],
                "change": run.schema_change,
                "run": run.name,
                "run_id": run.id,
            }
            for run in found
        ]
        emit(rows, (*FIELDS, Field("run_id")), output, name="changes")
        message(f"{plural(len(rows), 'schema change')} in {window}")
