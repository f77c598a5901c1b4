"""A plan for a project and a server: reading both, comparing them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any

from duckherd.api import Api
from duckherd.project.deployment import Deployment
from duckherd.project.desired import desired, why_left
from duckherd.project.file import Entry, Project
from duckherd.project.flows import facts_of
from duckherd.project.plan import Left, Plan, make_plan
from duckherd.project.problems import Problem, refuse
from duckherd.project.server import read_server, read_variable
from duckherd.project.templates import templates, variable_name


def plan_for(project: Project, api: Api) -> Plan:
    """What apply would do for all of a project's deployments.

    Raises:
        ProjectError: a deployment lacks what only the server's side shows to be missing
            (a work pool's name, a Prefect variable); nothing was sent.
        ApiError: the server refused a question.
    """
    left = {entry.index: why_left(entry, project.actions) for entry in project.entries}
    handled = [entry for entry in project.entries if left[entry.index] is None]
    variable = cache(lambda name: read_variable(api, name))
    refuse(str(project.path), _missing(handled, variable))
    wanted = wanted_of(project, handled, variable)
    return make_plan(
        wanted,
        read_server(api, {each.flow_name for each in wanted}),
        [Left(entry.name, reason) for entry in project.entries if (reason := left[entry.index])],
    )


def wanted_of(
    project: Project,
    entries: Collection[Entry],
    variable: Callable[[str], Any] = lambda _: None,
) -> list[Deployment]:
    """The deployments that entries ask for, in their order."""
    return [
        desired(entry, project.actions, facts_of(str(entry.config.entrypoint)), variable)
        for entry in entries
    ]


def _missing(entries: Collection[Entry], variable: Callable[[str], Any]) -> Iterator[Problem]:
    for entry in entries:
        subject = f"deployment {entry.name!r}"
        pool = entry.config.work_pool
        if pool is None or not pool.name:
            hint = "work_pool: {name: herd}"
            yield Problem(entry.position, "has no work_pool with a name", hint, subject)
        for template in templates(entry.raw):
            name = variable_name(template)
            if name is not None and variable(name) is None:
                message = f"the server has no Prefect variable {name!r}"
                hint = f"prefect variable set {name} VALUE"
                yield Problem(entry.position, message, hint, subject)
