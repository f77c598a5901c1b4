"""What the Prefect server holds of the flows a project uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from duckherd.api import Api
from duckherd.project.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Existing:
    """A deployment on the server."""

    id: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server, as far as a plan needs it.

    Attributes:
        existing: deployments of the flows asked for.
        flows: flow name -> id; flows that do not exist are absent.
        pools: work pool name -> the pool as the API gives it.
    """

    existing: tuple[Existing, ...] = ()
    flows: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pools: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))


def read_server(api: Api, flow_names: Collection[str]) -> ServerState:
    """Work pools, and all deployments of these flows. Raises ApiError."""
    pools = {pool["name"]: pool for pool in api.pages("work_pools/filter")}
    queues = {name: str(pool.get("default_queue_id")) for name, pool in pools.items()}
    wanted = {"flows": {"name": {"any_": sorted(flow_names)}}}
    flows = {flow["name"]: flow["id"] for flow in api.pages("flows/filter", wanted)}
    names = {identity: name for name, identity in flows.items()}
    found = api.pages("deployments/filter", wanted) if flows else ()
    return ServerState(
        existing=tuple(
            Existing(each["id"], Deployment.from_api(each, names[each["flow_id"]], queues))
            for each in found
            if each["flow_id"] in names
        ),
        flows=flows,
        pools=pools,
    )


def read_variable(api: Api, name: str) -> Any:
    """Value of a Prefect variable; None where there is none. Raises ApiError."""
    found = api.post("variables/filter", {"variables": {"name": {"any_": [name]}}})
    return found[0]["value"] if found else None
