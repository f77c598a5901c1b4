"""The `prefect.yaml` that `duckherd init` writes: pure, tables in, text out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import yaml

from duckherd.catalog.model import Table
from duckherd.duration import parse_duration
from duckherd.errors import UsageError
from duckherd.parameters import FLOW_ENTRYPOINT
from duckherd.project.config import ScheduleConfig
from duckherd.project.naming import anchor, deployment_name

_BIG = 1_000_000
"""Rows from which the file points at reading only what changed."""

_CURSORS = ("updated_at", "modified_at", "last_modified", "changed_at", "created_at")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What the file is made of, apart from its tables.

    Attributes:
        name: of the source; first part of every deployment's name.
        source, lake: URLs, secrets as references.
        schedule: cron expression or duration; None for no schedule.
        timezone: IANA name, for cron.
        tag_by_schema: whether each deployment is tagged with its schema.
        work_pool: name of the Prefect work pool.
    """

    name: str
    source: str
    lake: str
    schedule: str | None = None
    timezone: str = "UTC"
    tag_by_schema: bool = False
    work_pool: str = "herd"


def scaffold(tables: Sequence[Table], options: Scaffold) -> str:
    """The whole file, one deployment per table, in the order of their names."""
    ordered = sorted(tables, key=lambda table: table.name)
    groups = groupby(ordered, key=lambda table: table.name.schema)
    sections = [_section(schema, list(members), options) for schema, members in groups]
    return _head(options) + "".join(sections) + _tail(options, ordered)


def entry(table: Table, options: Scaffold, base: str | None = None) -> str:
    """The lines of one deployment, indented as an item of `deployments`.

    Args:
        table: as the catalog tells.
        options: of the file.
        base: anchor of the common definition; made from the source's name unless given.
    """
    base = base or anchor(options.name)
    name = str(table.name)
    lines = [
        f"  - <<: *{base}",
        f"    name: {scalar(deployment_name(options.name, table.name))}",
    ]
    if options.tag_by_schema:
        lines.append(f"    tags: {flow([options.name, table.name.schema])}")
    checks = checks_of(table)
    if not checks:
        lines.append(f"    parameters: {{<<: *{base}_parameters, table: {scalar(name)}}}")
    else:
        lines += [
            "    parameters:",
            f"      <<: *{base}_parameters",
            f"      table: {scalar(name)}",
            "      checks:",
            *(f"        - {check}" for check in checks),
        ]
    lines[0] += _remark(table)
    return "\n".join(lines) + "\n"


def schedule_line(schedule: str, timezone: str) -> str:
    """A schedule as an item of a YAML list. Raises UsageError for what is neither form."""
    try:
        return f"- {{interval: {parse_duration(schedule):.0f}}}"
    except ValueError:
        pass
    try:
        ScheduleConfig(cron=schedule, timezone=timezone)
    except ValueError as error:
        raise UsageError(
            f"{schedule!r} (time zone {timezone!r}) is neither a cron expression nor a duration",
            hint='for example --schedule "0 2 * * *" --timezone Europe/Warsaw, or --schedule 1h',
        ) from error
    return f"- {{cron: {json.dumps(schedule)}, timezone: {scalar(timezone)}}}"


def scalar(text: str) -> str:
    """The text as YAML inside `[...]` and `{...}`, quoted only where it must be."""
    return flow([text])[1:-1]


def flow(items: Iterable[str]) -> str:
    """A list of texts on one line."""
    return "[" + ", ".join(_dumped([item])[1:-1] for item in items) + "]"


def _dumped(value: str | list[str]) -> str:
    text = value if isinstance(value, str) else value[0]
    # Line ends and control characters survive only as escapes.
    odd = not text.isprintable()
    dumped: str = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style='"' if odd else None,
        allow_unicode=not odd,
        width=float("inf"),
    )
    return dumped.removesuffix("\n").removesuffix("\n...")


def _head(options: Scaffold) -> str:
    base = anchor(options.name)
    chosen = schedule_line(options.schedule, options.timezone) if options.schedule else None
    own = "" if chosen is None else f"    default: &default\n      {chosen}\n"
    schedules = "*default" if chosen else "[]"
    remark = "used as it is" if chosen else "none yet; for example *nightly"
    return f"""\
# The herd {options.name!r}: one Prefect deployment for each table of one database.
#
#   duckherd plan      what applying this file would change on the Prefect server
#   duckherd apply     create and update the deployments that changed
#   duckherd sync      bring new, changed and dropped tables into this file
#
# It is a plain Prefect project file: `prefect deploy --all` deploys it too. Everything
# under `definitions` is defined once (&name), used as it is (*name) or merged (<<: *name)
# with some values overridden.

# The flow is installed with duckherd, so there is nothing to pull.
pull: []

definitions:
  work_pools:
    {base}_pool: &{base}_pool {{name: {scalar(options.work_pool)}}}
  schedules:
{own}    nightly: &nightly
      - {{cron: "0 2 * * *", timezone: {scalar(options.timezone)}}}
    hourly: &hourly
      - {{interval: 3600}}
  {base}_parameters: &{base}_parameters
    source: {_dumped(options.source)}
    lake: {_dumped(options.lake)}
    # What every table promises; `duckherd sla` counts it once there is a schedule.
    # objective: {{deadline: "06:00", target: 99.0}}
  {base}: &{base}
    entrypoint: {FLOW_ENTRYPOINT}
    work_pool: *{base}_pool
    schedules: {schedules}{" " * max(1, 40 - len(schedules))}# {remark}
    concurrency_limit: {{limit: 1, collision_strategy: CANCEL_NEW}}
    tags: {flow([options.name])}
    parameters: *{base}_parameters

deployments:
"""


def _section(schema: str, tables: Sequence[Table], options: Scaffold) -> str:
    shown = "".join(each if each.isprintable() else "?" for each in schema)
    title = f"  # {shown} "
    return f"{title}{'-' * max(4, 88 - len(title))}\n" + "".join(
        entry(table, options) for table in tables
    )


def _tail(options: Scaffold, tables: Sequence[Table]) -> str:
    base = anchor(options.name)
    table = str(tables[0].name) if tables else "schema.table"
    return f"""
  # Any table may differ in anything. For example, one that is read every hour, only the
  # rows that changed, and refused when its data is wrong:
  #
  # - <<: *{base}                                  # everything pre-defined ...
  #   name: {scalar(f"{options.name}.{table}")}
  #   tags: [{options.name}, "owner:sales-data"]
  #   schedules: *hourly                         # ... or one value overridden
  #   parameters:
  #     <<: *{base}_parameters
  #     table: {scalar(table)}
  #     mode: merge                              # replace (default) | append | merge
  #     format: delta                            # what merge writes; else parquet
  #     key: [order_id]
  #     cursor: updated_at
  #     lookback: 1h
  #     columns: {{email: {{mask: sha256}}}}
  #     checks:
  #       - not_null: [order_id, customer_id]
  #       - accepted_values: {{column: status, values: [new, paid, shipped]}}
  #       - row_count: {{min: 1}}
"""


def checks_of(table: Table) -> list[str]:
    """Checks of the primary key, each as the text of a list's item; empty without a key."""
    key = table.primary_key
    if not key:
        return []
    return [f"not_null: {flow(key)}", f"unique: {flow(key)}"]


def _remark(table: Table) -> str:
    if table.kind == "view":
        return "  # a view"
    if (table.rows or 0) < _BIG:
        return ""
    cursor = next((name for name in _CURSORS if table.column(name)), None)
    advice = f"; mode: append or merge with cursor: {cursor} reads only new ones" if cursor else ""
    return f"  # about {table.rows:,} rows{advice}"
