"""`duckherd plan`."""

from __future__ import annotations

from duckherd.cli.ending import Exit
from duckherd.cli.output import Output, emit, message
from duckherd.cli.project import (
    FIELDS,
    PROJECT_FILE,
    Exclude,
    File,
    Flag,
    counts,
    plan_rows,
    plan_text,
    planned,
    print_lines,
    summary,
    tell_pools,
)


def plan(
    *select: str,
    exclude: Exclude = None,
    file: File = PROJECT_FILE,
    offline: Flag = False,
    detailed_exitcode: Flag = False,
    output: Output = "text",
) -> int:
    """Show what apply would change on the server.

    Compares the project file with the deployments on the Prefect server, field by field, and
    changes nothing. Tables, keys and checks are also held against the source's catalog, as
    far as the source can be reached from here.

    Args:
        select: Which deployments; all unless given. See docs/selection.md.
        offline: Do not ask the source database.
        detailed_exitcode: Exit with 3 where there are changes.
    """
    from duckherd.cli.connection import connect

    with connect("duckherd plan") as connection:
        found = planned(file, connection.api, select, exclude or (), offline=offline)
        url = connection.api.url
    if output == "text":
        print_lines(plan_text(found))
    else:
        emit(plan_rows(found), FIELDS, output, name="changes", extra=counts(found))
    message(f"{file} -> {url}: {summary(found)}")
    if missing := tell_pools(found):
        message(missing)
    return Exit.CHANGES if detailed_exitcode and not found.empty else Exit.GOOD
