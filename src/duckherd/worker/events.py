"""What the server tells of a work pool: new runs, cancellations, changed deployments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.logging import get_logger

if TYPE_CHECKING:
    from prefect.events import Event

CANCELLING = "prefect.flow-run.Cancelling"
SUSPENDED = "prefect.flow-run.Suspended"
SCHEDULED = "prefect.flow-run.Scheduled"
DEPLOYMENT_UPDATED = "prefect.deployment.updated"
DEPLOYMENT_DELETED = "prefect.deployment.deleted"

RECONNECT_SECONDS = 2.0
"""Seconds between attempts to connect, and between reconciliations meanwhile."""

logger = get_logger("worker.events")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Called with the id an event is about; none may block."""

    cancelling: Callable[[UUID], object]
    suspended: Callable[[UUID], object]
    scheduled: Callable[[], object]
    deployment_changed: Callable[[UUID], object]
    connected: Callable[[bool], object]
    """Told when the stream comes (True) and goes (False)."""
    reconcile: Callable[[], Awaitable[object]]
    """Looks at the API for what events may have been missed."""


async def watch_pool(work_pool_id: UUID, listeners: Listeners) -> None:
    """Follow the events of a work pool until cancelled; reconnect whenever needed.

    One websocket for everything, where Prefect opens up to three for each flow run.
    """
    while True:
        try:
            async with get_events_subscriber(
                filter=_filter(work_pool_id), reconnection_attempts=0
            ) as events:
                listeners.connected(True)  # noqa: FBT003
                await listeners.reconcile()
                async for event in events:
                    _dispatch(event, listeners)
        except Exception as error:  # noqa: BLE001 - whatever it was, connect again
            logger.debug("The event stream was lost: %r", error)
        listeners.connected(False)  # noqa: FBT003
        await asyncio.sleep(RECONNECT_SECONDS)
        try:
            await listeners.reconcile()
        except httpx.HTTPError as error:
            logger.debug("The API cannot be reached: %r", error)


def _filter(work_pool_id: UUID) -> EventFilter:
    names = [CANCELLING, SUSPENDED, SCHEDULED, DEPLOYMENT_UPDATED, DEPLOYMENT_DELETED]
    return EventFilter(
        event=EventNameFilter(name=names),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{work_pool_id}"]),
    )


def _dispatch(event: Event, listeners: Listeners) -> None:
    resource_id = event.resource.id.rpartition(".")[2]
    if event.event == SCHEDULED:
        listeners.scheduled()
    elif event.event == CANCELLING:
        listeners.cancelling(UUID(resource_id))
    elif event.event == SUSPENDED:
        listeners.suspended(UUID(resource_id))
    else:
        listeners.deployment_changed(UUID(resource_id))
