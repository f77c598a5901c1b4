"""`duckherd run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from duckherd.cli.herd import Session, choose, needs_runs, read_herd, session
from duckherd.cli.output import Format, Output
from duckherd.cli.project import PROJECT_FILE, Exclude, File
from duckherd.cli.units import plural
from duckherd.cli.watching import (
    Batch,
    create_only,
    pool_watch,
    report,
    require_workers,
    run_and_watch,
)
from duckherd.errors import UsageError

if TYPE_CHECKING:
    from duckherd.runs.model import TableDeployment


def run(
    *select: str,
    exclude: Exclude = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    wait: bool = True,
    file: File = PROJECT_FILE,
    output: Output = "text",
) -> int:
    """Run tables and watch them.

    Creates a flow run of each selected deployment and shows them until all are over.
    Without a configured Prefect API it does so on a private server with a worker of its
    own, applies the project file first, and keeps the history in your Prefect home.
    Ctrl-C cancels the runs it created; once more leaves them running.

    Args:
        select: Which tables; all of the project unless given. See docs/selection.md.
        from_: Read again from this value of each table's cursor.
        to: Read again up to this value, itself included.
        wait: Watch the runs to their end.
    """
    with session("duckherd run", file) as here:
        if here.project is None and not select:
            raise UsageError(
                f"there is no {file} here to say which tables are meant",
                hint="duckherd run '*' runs every table that the server knows",
            )
        herd = read_herd(here.connection, here.project, last=needs_runs(select, exclude or ()))
        chosen = choose(herd, select, exclude or ())
        parameters = _backfill(chosen, from_, to)
        return carry_out(here, chosen, parameters, wait=wait, output=output, command="duckherd run")


def carry_out(
    here: Session,
    chosen: Sequence[TableDeployment],
    parameters: Mapping[str, Mapping[str, Any]],
    *,
    wait: bool,
    output: Format,
    command: str,
) -> int:
    """Run tables, on one display if they are waited for; the exit code."""
    api, private = here.connection.api, here.connection.private is not None
    if not wait:
        if private:
            raise UsageError(
                "--no-wait needs a server that stays: this one ends with the command",
                hint="duckherd up in another terminal, or set PREFECT_API_URL",
            )
        return report(create_only(Batch(api, tuple(chosen), parameters)), output, command)
    if not private:
        require_workers(api, chosen)
    alive = here.alive if private else pool_watch(api, chosen)
    return report(run_and_watch(Batch(api, tuple(chosen), parameters, alive)), output, command)


def _backfill(
    chosen: Sequence[TableDeployment], lower: str | None, upper: str | None
) -> dict[str, dict[str, Any]]:
    if lower is None and upper is None:
        return {}
    without = [each.table or each.name for each in chosen if each.cursor is None]
    if without:
        raise UsageError(
            f"--from and --to need a cursor, which {plural(len(without), 'table')} selected "
            f"has none of: {', '.join(without[:3])}{', ...' if len(without) > 3 else ''}",
            hint="select only tables with a cursor, or leave --from and --to out",
        )
    values = {key: value for key, value in (("from", lower), ("to", upper)) if value is not None}
    return {each.id: {"backfill": values} for each in chosen}
