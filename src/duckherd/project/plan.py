"""What an apply would do, as a value: `plan` prints it, `apply` executes exactly it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from duckherd.parameters import FLOW_NAME
from duckherd.project.deployment import Deployment, Schedule
from duckherd.project.server import Existing, ServerState

Action = Literal["create", "update", "unchanged"]

_SWITCHES = ("paused",)
_BY_KEY = ("parameters", "job_variables")


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs: JSON values before and after; None where absent."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one deployment of the file.

    Attributes:
        deployment: exactly what is sent.
        id: on the server; None for one that is created.
        changes: field by field; empty unless it is updated.
    """

    action: Action
    deployment: Deployment
    id: str | None = None
    changes: tuple[Change, ...] = ()

    @property
    def full_name(self) -> str:
        """`flow/deployment`, as Prefect's commands take it."""
        return f"{self.deployment.flow_name}/{self.deployment.name}"


@dataclass(frozen=True, slots=True)
class Left:
    """A deployment of the file that is left to `prefect deploy`, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a project file and a server.

    Attributes:
        steps: in the order of the file.
        orphaned: on the server, of this project's sources, but not in the file.
        left: handled by `prefect deploy`.
        missing_pools: work pools the steps need that do not exist.
        flows: flow name -> id, of flows the server has.
    """

    steps: tuple[Step, ...]
    orphaned: tuple[Existing, ...] = ()
    left: tuple[Left, ...] = ()
    missing_pools: tuple[str, ...] = ()
    flows: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, action: Action) -> tuple[Step, ...]:
        """The steps of one action."""
        return tuple(step for step in self.steps if step.action == action)

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that send something."""
        return tuple(step for step in self.steps if step.action != "unchanged")

    @property
    def empty(self) -> bool:
        """Whether file and server agree."""
        return not self.changes and not self.orphaned


def make_plan(wanted: Sequence[Deployment], server: ServerState, left: Sequence[Left] = ()) -> Plan:
    """Compare what is wanted with what is there.

    Args:
        wanted: all deployments of the file that are handled, in its order.
        server: with all deployments of their flows.
        left: the file's other deployments.
    """
    there = {_identity(each.deployment): each for each in server.existing}
    pools = {each.work_pool for each in wanted if each.work_pool is not None}
    return Plan(
        steps=tuple(_step(each, there.get(_identity(each))) for each in wanted),
        orphaned=tuple(_orphaned(wanted, {each.name for each in left}, server.existing)),
        left=tuple(left),
        missing_pools=tuple(sorted(pools - set(server.pools))),
        flows=server.flows,
    )


def _identity(deployment: Deployment) -> tuple[str, str]:
    return deployment.flow_name, deployment.name


def _step(wanted: Deployment, there: Existing | None) -> Step:
    if there is None:
        return Step("create", wanted)
    changes = tuple(_changes(there.deployment, wanted))
    kept = replace(wanted, schedules=_kept(wanted.schedules, there.deployment.schedules))
    return Step("update" if changes else "unchanged", kept, there.id, changes)


def _changes(before: Deployment, after: Deployment) -> Iterator[Change]:
    for part in fields(Deployment):
        old, new = getattr(before, part.name), getattr(after, part.name)
        left_to_people = part.name in _SWITCHES and new is None
        if part.name in _BY_KEY:
            yield from _changed_keys(part.name, old, new)
        elif part.name == "schedules":
            yield from _changed_schedules(old, new)
        elif old != new and not left_to_people:
            yield Change(part.name, _json(old), _json(new))


def _changed_keys(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for key in (*before, *(key for key in after if key not in before)):
        if before.get(key) != after.get(key) or (key in before) != (key in after):
            yield Change(f"{name}.{key}", before.get(key), after.get(key))


def _changed_schedules(before: Sequence[Schedule], after: Sequence[Schedule]) -> Iterator[Change]:
    pairs = _pairs(after, before)
    same = all(there is not None and each.same_as(there) for each, there in pairs)
    if not same or len(before) != len(after):
        shown = _kept(after, before)
        yield Change("schedules", [str(each) for each in before], [str(each) for each in shown])


def _kept(wanted: Sequence[Schedule], there: Sequence[Schedule]) -> tuple[Schedule, ...]:
    """The schedules with what the file leaves open as it is on the server."""
    return tuple(each if old is None else _keep(each, old) for each, old in _pairs(wanted, there))


def _keep(wanted: Schedule, there: Schedule) -> Schedule:
    if wanted.same_as(there):
        return wanted.completed(there)
    # Somebody paused this schedule; a new cron line is no reason to wake it.
    return replace(wanted, active=there.active) if wanted.active is None else wanted


def _pairs(
    wanted: Sequence[Schedule], there: Sequence[Schedule]
) -> list[tuple[Schedule, Schedule | None]]:
    """Each wanted schedule with the server's: the one that means the same, else by order."""
    matched = {place: number for number, place in _matching(wanted, there).items()}
    rest = iter([old for number, old in enumerate(there) if number not in matched.values()])
    return [
        (each, there[matched[place]] if place in matched else next(rest, None))
        for place, each in enumerate(wanted)
    ]


def _matching(wanted: Sequence[Schedule], there: Sequence[Schedule]) -> dict[int, int]:
    """Place in `there` -> place in `wanted`, as many as mean the same (Kuhn's algorithm).

    What the file leaves open matches several, so the first that fits may be another's.
    """
    taken: dict[int, int] = {}

    def place(number: int, seen: set[int]) -> bool:
        for at, old in enumerate(there):
            if at in seen or not wanted[number].same_as(old):
                continue
            seen.add(at)
            if at not in taken or place(taken[at], seen):
                taken[at] = number
                return True
        return False

    for number in range(len(wanted)):
        place(number, set())
    return taken


def _orphaned(
    wanted: Sequence[Deployment], left: set[str], existing: Sequence[Existing]
) -> Iterator[Existing]:
    """Deployments of our flow that this file made once, and no longer has.

    Another project may share the server, so only those count whose name begins like
    one of this file (`erp.`), or that read the same source into the same lake.
    """
    ours = [each for each in wanted if each.flow_name == FLOW_NAME]
    names = {each.name for each in ours} | left
    prefixes = {each.name.partition(".")[0] for each in ours if "." in each.name}
    ways = {_way(each) for each in ours}
    for each in existing:
        there = each.deployment
        if there.flow_name != FLOW_NAME or there.name in names:
            continue
        prefix, dot, _ = there.name.partition(".")
        if (dot and prefix in prefixes) or _way(there) in ways:
            yield each


def _way(deployment: Deployment) -> tuple[Any, Any]:
    return deployment.parameters.get("source"), deployment.parameters.get("lake")


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
