"""The part of a plan that a selection means, with `state:` answered by the plan itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

from duckherd.project.deployment import Deployment
from duckherd.project.plan import Plan
from duckherd.project.selection import Selectable, select

_STATES = MappingProxyType({"create": "new", "update": "modified", "unchanged": "unchanged"})


@dataclass(frozen=True, slots=True)
class _Record:
    name: str
    table: str | None
    tags: tuple[str, ...]


def narrow(plan: Plan, include: Iterable[str], exclude: Iterable[str]) -> Plan:
    """The plan for the selected deployments only. Raises SelectionError where there is none."""
    include, exclude = tuple(include), tuple(exclude)
    if not include and not exclude:
        return plan
    states = states_of(plan)
    everything = [step.deployment for step in plan.steps]
    everything += [orphan.deployment for orphan in plan.orphaned]

    def state(record: Selectable) -> list[str]:
        return [states[record.name]]

    chosen = select([_record(each) for each in everything], include, exclude, {"state": state})
    names = {record.name for record in chosen}
    return replace(
        plan,
        steps=tuple(step for step in plan.steps if step.deployment.name in names),
        orphaned=tuple(each for each in plan.orphaned if each.deployment.name in names),
        left=(),
    )


def states_of(plan: Plan) -> dict[str, str]:
    """Deployment name -> `new`, `modified`, `unchanged` or `orphaned`."""
    states = {step.deployment.name: _STATES[step.action] for step in plan.steps}
    return states | {orphan.deployment.name: "orphaned" for orphan in plan.orphaned}


def _record(deployment: Deployment) -> _Record:
    table = deployment.parameters.get("table")
    return _Record(deployment.name, table, deployment.tags)
