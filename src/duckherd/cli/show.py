"""`duckherd show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from duckherd.cli.output import Format, emit_object, plain
from duckherd.cli.past import Offline, Past, choose, moment, past
from duckherd.errors import SelectionError
from duckherd.units import duration, size

if TYPE_CHECKING:
    from duckherd.history.figures import RunFacts
    from duckherd.history.tables import Table
    from duckherd.report.judged import Judged


def show(
    what: Annotated[str, Parameter(help="A flow run's id or name, or a table.")],
    /,
    *,
    output: Annotated[
        Format, Parameter(name=["--output", "-o"], help="text, json or jsonl.", show_choices=False)
    ] = "text",
    offline: Offline = False,
) -> None:
    """Show what a run read and wrote, and who owns its table.

    Of a table, its newest run is shown. An id may be shortened to its beginning.
    """
    with past("duckherd show", offline=offline) as opened:
        judged = opened.judge()
        run, table = _found(opened, judged, what)
        facts = dict(_facts(opened, judged, table, run))
    if output == "text":
        width = max(len(name) for name in facts)
        for name, value in facts.items():
            if value is not None and value != []:
                print(f"{name.replace('_', ' '):<{width}}  {_told(name, value)}")
    else:
        emit_object(facts, output)


def _found(opened: Past, judged: Judged, what: str) -> tuple[RunFacts | None, Table]:
    from duckherd.history.figures import find_runs, last_runs

    tables = {table.name: table for table in judged.tables}
    runs = find_runs(opened.store, what) if len(what) >= 6 and what not in tables else ()
    if len(runs) > 1 and len({run.id for run in runs if run.id == what}) != 1:
        names = ", ".join(run.id for run in runs[:3])
        raise SelectionError(f"{what!r} means several runs: {names}", hint="give more of the id")
    if runs and runs[0].deployment in tables:
        return runs[0], tables[runs[0].deployment]
    chosen = choose(judged, [what], None).tables
    if len(chosen) > 1:
        names = ", ".join(table.name for table in chosen[:3])
        raise SelectionError(f"{what!r} means {len(chosen)} tables: {names} ...", hint="name one")
    newest = last_runs(opened.store, [chosen[0].name], 0.0, 1).get(chosen[0].name, [])
    return next(iter(newest), None), chosen[0]


def _facts(
    opened: Past, judged: Judged, table: Table, run: RunFacts | None
) -> Iterator[tuple[str, Any]]:
    attainment = judged.attainments[table.name]
    yield "deployment", table.name
    yield "owner", table.owner
    yield "tags", [tag for tag in table.tags if not tag.startswith("owner:")]
    yield "schedule", [str(schedule) for schedule in table.schedules]
    yield "paused", table.paused or None
    yield "attainment", attainment.percent
    yield "target", attainment.target
    yield "source", table.source
    yield "table", table.table
    yield "lake", table.lake
    if run is None:
        return
    yield "run", run.name
    yield "run_id", run.id
    yield "state", run.state_name
    yield "message", run.message
    yield "failed_step", run.step
    yield "error", run.error
    yield "due", moment(run.due)
    yield "started", moment(run.began)
    yield "ended", moment(run.ended)
    yield "attempts", run.attempts
    yield "rows", run.rows
    yield "bytes", run.bytes
    yield "data_until", moment(run.data_until)
    yield "watermark", run.watermark
    yield "seconds", run.seconds
    yield "checks", run.checks
    yield "checks_failed", run.checks_failed
    yield "checks_warned", run.checks_warned
    yield "failed_checks", run.failed_checks
    yield "schema_change", run.schema_change
    yield "published", moment(run.published)
    yield "version", run.version
    yield "object", f"{table.lake}/{run.object}" if run.object else None
    yield "objects", run.objects
    if opened.ui_url and not run.gone:
        yield "url", f"{opened.ui_url}/runs/flow-run/{run.id}"


def _told(name: str, value: Any) -> str:
    if name == "seconds":
        return ", ".join(f"{step} {duration(took)}" for step, took in value.items()) or "none"
    if name in {"attainment", "target"}:
        return f"{value:.2f} %"
    if name == "bytes":
        return size(value)
    if name == "rows":
        return f"{value:,}"
    return plain(value)
