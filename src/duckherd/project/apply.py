"""Carrying out a plan: exactly its requests, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from duckherd.api import Api
from duckherd.api.work_pools import ensure_work_pool
from duckherd.errors import ApiError, ProjectError
from duckherd.project.plan import Plan, Step
from duckherd.project.server import Existing

THREADS = 4
"""Requests at once. The server works on one core; on SQLite more only lock each other out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request of a plan.

    Attributes:
        name: of the deployment.
        action: `create`, `update` or `delete`.
        error: why the server refused; None where it did not.
    """

    name: str
    action: str
    error: str | None = None


def apply(
    plan: Plan,
    api: Api,
    *,
    prune: bool = False,
    done: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Execute a plan; one outcome for each request, failed ones included.

    Args:
        plan: made against the same server.
        api: the server.
        prune: delete the orphaned deployments too.
        done: told of each outcome as it comes.

    Raises:
        ProjectError: a work pool is missing; nothing was sent.
        ApiUnreachable: the server stopped answering while the flow was created.
    """
    require_pools(plan)
    flows = _flows(plan, api)
    requests: list[Request] = [
        (step.deployment.name, step.action, _sending(api, step, flows)) for step in plan.changes
    ]
    if prune:
        requests += [(o.deployment.name, "delete", _deleting(api, o)) for o in plan.orphaned]
    return tuple(_parallel(requests, done))


def require_pools(plan: Plan) -> None:
    """Raise ProjectError where the plan needs a work pool that does not exist."""
    if plan.missing_pools:
        names = ", ".join(repr(name) for name in plan.missing_pools)
        one = plan.missing_pools[0]
        raise ProjectError(
            f"work pool {names} does not exist on this server; nothing was sent",
            hint=f"duckherd apply --create-work-pool, "
            f"or: prefect work-pool create {one!r} --type process",
        )


def create_pools(plan: Plan, api: Api, kind: str) -> Plan:
    """Create the work pools a plan misses, of that type; the plan without them. Raises ApiError."""
    for name in plan.missing_pools:
        ensure_work_pool(api, name, kind)
    return replace(plan, missing_pools=())


Request = tuple[str, str, Callable[[], None]]


def _flows(plan: Plan, api: Api) -> dict[str, str]:
    """Ids of the flows; one that does not exist is created, once."""
    flows = dict(plan.flows)
    for name in {step.deployment.flow_name for step in plan.changes} - set(flows):
        flows[name] = api.post("flows/", {"name": name})["id"]
    return flows


def _sending(api: Api, step: Step, flows: dict[str, str]) -> Callable[[], None]:
    # POST replaces all of a deployment, schedules included; PATCH would not remove a
    # schedule that has a slug.
    body = step.deployment.to_api(flows[step.deployment.flow_name])
    return lambda: api.post("deployments/", body)


def _deleting(api: Api, orphan: Existing) -> Callable[[], None]:
    return lambda: api.delete(f"deployments/{orphan.id}")


def _parallel(requests: Sequence[Request], done: Callable[[Outcome], None]) -> Iterator[Outcome]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="apply") as pool:
        futures = [pool.submit(_attempt, *request) for request in requests]
        try:
            for future in as_completed(futures):
                done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for future in futures:
        yield future.result()


def _attempt(name: str, action: str, send: Callable[[], None]) -> Outcome:
    try:
        send()
    except ApiError as error:
        return Outcome(name, action, error.message)
    return Outcome(name, action)
