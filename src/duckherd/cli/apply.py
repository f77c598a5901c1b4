"""`duckherd apply`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from duckherd.cli.ending import Exit
from duckherd.cli.output import Field, Output, emit, message
from duckherd.cli.project import (
    PROJECT_FILE,
    Exclude,
    File,
    Flag,
    plan_text,
    planned,
    print_lines,
    summary,
)
from duckherd.cli.units import plural
from duckherd.errors import UsageError

if TYPE_CHECKING:
    from duckherd.project.apply import Outcome
    from duckherd.project.plan import Plan

_FIELDS = (Field("action", "ACTION"), Field("deployment", "DEPLOYMENT"), Field("error", "ERROR"))
_DONE = {"create": "created", "update": "updated", "delete": "deleted"}


def apply(
    *select: str,
    exclude: Exclude = None,
    file: File = PROJECT_FILE,
    prune: Flag = False,
    yes: Flag = False,
    create_work_pool: Flag = False,
    work_pool_type: str = "warm",
    offline: Flag = False,
    output: Output = "text",
) -> int:
    """Create and update the deployments that changed.

    Carries out exactly what `duckherd plan` shows, several requests at a time. Nothing is
    sent when anything in the file is invalid. A deployment that did not change is not
    touched, so its scheduled runs stay.

    Args:
        select: Which deployments; all unless given. See docs/selection.md.
        prune: Also delete deployments of this project that are no longer in the file.
        yes: Delete without asking.
        create_work_pool: Create work pools that do not exist.
        work_pool_type: Type of a work pool that is created.
        offline: Do not ask the source database.
    """
    from duckherd.cli.connection import connect
    from duckherd.project.apply import apply as carry_out
    from duckherd.project.apply import create_pools, require_pools

    with connect("duckherd apply") as connection:
        found = planned(file, connection.api, select, exclude or (), offline=offline)
        if create_work_pool:
            for name in found.missing_pools:
                message(f"creating work pool {name} of type {work_pool_type}")
            found = create_pools(found, connection.api, work_pool_type)
        require_pools(found)
        if output == "text":
            print_lines(plan_text(found))
        _confirm(found, prune=prune, yes=yes)
        outcomes = carry_out(found, connection.api, prune=prune)
        message(f"{file} -> {connection.api.url}: {_told(found, outcomes)}")
    if output != "text":
        emit(map(_row, outcomes), _FIELDS, output, name="outcomes")
    return _end(outcomes)


def _confirm(plan: Plan, *, prune: bool, yes: bool) -> None:
    if not prune or yes or not plan.orphaned or not sys.stdin.isatty():
        return
    number = plural(len(plan.orphaned), "deployment")
    print(f"Delete {number} listed with - ? Its flow runs stay. [y/N] ", end="", file=sys.stderr)
    if input().strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was applied", hint="duckherd apply without --prune deletes none")


def _row(outcome: Outcome) -> dict[str, str | None]:
    return {"action": outcome.action, "deployment": outcome.name, "error": outcome.error}


def _told(plan: Plan, outcomes: tuple[Outcome, ...]) -> str:
    if not outcomes:
        return f"nothing to do ({summary(plan)})"
    told = []
    for action, word in _DONE.items():
        number = sum(each.action == action and each.error is None for each in outcomes)
        if number:
            told.append(f"{number:,} {word}")
    failed = sum(each.error is not None for each in outcomes)
    return ", ".join([*told, *([f"{failed:,} failed"] if failed else [])])


def _end(outcomes: tuple[Outcome, ...]) -> int:
    failed = [outcome for outcome in outcomes if outcome.error]
    if not failed:
        return Exit.GOOD
    for outcome in failed:
        message(f"{outcome.action} {outcome.name} failed: {outcome.error}")
    message("the same command again sends only what is still different")
    return Exit.FAILED
