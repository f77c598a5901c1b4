"""`duckherd init`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from duckherd.cli.output import message
from duckherd.cli.project import PROJECT_FILE, Exclude, File, Flag
from duckherd.cli.units import plural


def init(
    *,
    source: str,
    lake: str,
    select: Annotated[list[str] | None, Parameter(negative=())] = None,
    exclude: Exclude = None,
    name: str | None = None,
    schedule: str | None = None,
    timezone: str = "UTC",
    tag_by: Literal["schema"] | None = None,
    work_pool: str = "herd",
    file: File = PROJECT_FILE,
    force: Flag = False,
) -> None:
    """Write prefect.yaml from a database's live catalog.

    One deployment for each table and view, with checks of its primary key. A password in a
    URL is not written to the file: a reference to an environment variable takes its place.

    Args:
        source: URL of the database, e.g. postgresql://user@host:5432/shop.
        lake: Where tables are published: a folder, s3://, gs:// or az:// URL.
        select: Which tables, e.g. "sales.* crm.*"; all unless given; may be repeated.
        name: Short name of the source, first part of each deployment's name; made from the
            database's name unless given.
        schedule: Cron expression such as "0 2 * * *", or duration such as 1h; none unless given.
        timezone: IANA time zone of a cron schedule.
        tag_by: Tag each deployment with its schema.
        work_pool: Work pool that the deployments run in.
        force: Overwrite the file if it exists.
    """
    from duckherd.project.create import create
    from duckherd.project.scaffold import Scaffold

    options = Scaffold(
        name=name or "",
        source=source,
        lake=lake,
        schedule=schedule,
        timezone=timezone,
        tag_by_schema=tag_by == "schema",
        work_pool=work_pool,
    )
    made = create(file, options, include=select or (), exclude=exclude or (), force=force)
    message(f"{made.path}: {plural(made.tables, 'deployment')}, one for each table of {made.name}")
    for variable in made.variables:
        message(f"  export {variable}=...   # here, and in the environment of the worker")
    message("next: duckherd plan, then duckherd apply")
