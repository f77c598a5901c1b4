"""Prefect's queries of orchestration, without the rows nobody looks at.

Setting a state or labels, Prefect's server reads with the flow run its work queue and work
pool, and with the deployment its schedules, queue and pool: 15 of the 45 statements of a
table's run. Orchestration looks at none of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import sqlalchemy as sa
from prefect.server.database import PrefectDBInterface, db_injector
from prefect.server.models import deployments, flow_runs
from prefect.server.orchestration import core_policy
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import lazyload

if TYPE_CHECKING:
    from prefect.server.database.orm_models import Deployment, FlowRun

REPLACED: tuple[tuple[ModuleType, str], ...] = (
    (flow_runs, "read_flow_run"),
    (flow_runs, "update_flow_run_labels"),
    (deployments, "read_deployment"),
)
"""What stands in place of which, for the test that notices when Prefect changes it."""

RELIED_UPON: tuple[tuple[ModuleType, str], ...] = ((flow_runs, "set_flow_run_state"),)
"""The only caller that locks what it reads."""

_read_flow_run: Callable[..., Awaitable[FlowRun | None]] = flow_runs.read_flow_run


def install() -> None:
    """Replace the queries, once in a server's life."""
    setattr(flow_runs, "read_flow_run", read_flow_run)  # noqa: B010  # typed as what it was
    setattr(flow_runs, "update_flow_run_labels", update_flow_run_labels)  # noqa: B010  # as above
    # Only orchestration's own view of the module: the API shows schedules and queues.
    setattr(core_policy, "deployments", _LimitsOfDeployments())  # noqa: B010  # as above


@db_injector
async def read_flow_run(
    db: PrefectDBInterface, session: AsyncSession, flow_run_id: UUID, for_update: bool = False
) -> FlowRun | None:
    """One flow run with its state; locked to set another state, it comes without its queue."""
    if not for_update:
        return await _read_flow_run(session, flow_run_id)
    query = (
        sa.select(db.FlowRun)
        .where(db.FlowRun.id == flow_run_id)
        .options(lazyload(db.FlowRun.work_queue))
        .with_for_update()
    )
    return (await session.execute(query)).scalar()


@db_injector
async def update_flow_run_labels(
    db: PrefectDBInterface, session: AsyncSession, flow_run_id: UUID, labels: dict[str, Any]
) -> bool:
    """Add labels to those of a flow run. Raises ObjectNotFoundError where there is none."""
    from prefect.server.exceptions import ObjectNotFoundError

    of_run = db.FlowRun.id == flow_run_id
    known = (await session.execute(sa.select(db.FlowRun.labels).where(of_run))).first()
    if known is None:
        raise ObjectNotFoundError(f"Flow run with id {flow_run_id} not found")
    merged = {**(known[0] or {}), **labels}
    update = sa.update(db.FlowRun).where(of_run).values(labels=merged)
    found = cast("sa.CursorResult[Any]", await session.execute(update)).rowcount > 0
    if found:
        await session.commit()
    return found


class _LimitsOfDeployments:
    """`models.deployments` for orchestration, which asks a deployment for its limits only."""

    def __getattr__(self, name: str) -> Any:
        return getattr(deployments, name)

    @staticmethod
    @db_injector
    async def read_deployment(
        db: PrefectDBInterface, session: AsyncSession, deployment_id: UUID
    ) -> Deployment | None:
        without = (lazyload(db.Deployment.schedules), lazyload(db.Deployment.work_queue))
        return await session.get(db.Deployment, deployment_id, options=without)
