"""Deployments and flows looked up once, until the server says that they changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import Flow
    from prefect.client.schemas.responses import DeploymentResponse

MAX_AGE = 60.0
"""Seconds after which a deployment is read again even if no event told of a change."""
_MAX_AGE_UNWATCHED = 2.0
"""The same while the stream of events is not connected."""
_MAX_ENTRIES = 10_000
_PAGE = 200


@dataclass(frozen=True, slots=True)
class _Entry:
    deployment: DeploymentResponse
    read_at: float


class DeploymentCache:
    """Reads through to the API; `forget` is called for every change the events tell of."""

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._deployments: dict[UUID, _Entry] = {}
        self._flows: dict[UUID, Flow] = {}
        self._watched = False

    async def deployment(self, deployment_id: UUID | None) -> DeploymentResponse:
        """One deployment.

        Raises:
            prefect.exceptions.ObjectNotFound: it was deleted.
        """
        if deployment_id is None:
            raise ValueError("the flow run has no deployment")
        known = self._fresh(deployment_id)
        if known is None:
            known = await self._client.read_deployment(deployment_id)
            self._keep([known])
        return known

    async def flow(self, flow_id: UUID) -> Flow:
        """One flow; its name never changes, so it is never read again."""
        if flow_id not in self._flows:
            if len(self._flows) >= _MAX_ENTRIES:
                self._flows.clear()
            self._flows[flow_id] = await self._client.read_flow(flow_id)
        return self._flows[flow_id]

    async def prefetch(self, deployment_ids: Iterable[UUID | None]) -> None:
        """Read all unknown deployments in one request instead of one each."""
        unknown = {one for one in deployment_ids if one and self._fresh(one) is None}
        if len(unknown) > 1:
            self._keep(
                await self._client.read_deployments(
                    deployment_filter=DeploymentFilter(
                        id=DeploymentFilterId(any_=list(unknown)[:_PAGE])
                    ),
                    limit=_PAGE,
                )
            )

    def forget(self, deployment_id: UUID) -> None:
        """Read this deployment again when it is needed next."""
        self._deployments.pop(deployment_id, None)

    def watch(self, connected: bool) -> None:
        """Trust the cache for longer, or no longer: the stream of events came or went."""
        self._watched = connected
        self._deployments.clear()

    def _fresh(self, deployment_id: UUID) -> DeploymentResponse | None:
        entry = self._deployments.get(deployment_id)
        max_age = MAX_AGE if self._watched else _MAX_AGE_UNWATCHED
        if entry is None or time.monotonic() - entry.read_at > max_age:
            return None
        return entry.deployment

    def _keep(self, deployments: Iterable[DeploymentResponse]) -> None:
        if len(self._deployments) >= _MAX_ENTRIES:
            self._deployments.clear()
        read_at = time.monotonic()
        for one in deployments:
            self._deployments[one.id] = _Entry(one, read_at)
