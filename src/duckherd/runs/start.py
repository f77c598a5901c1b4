"""Creating flow runs of deployments, and cancelling them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from duckherd.api.client import Api
from duckherd.errors import ApiError
from duckherd.runs.model import Run, TableDeployment

_THREADS = 4
"""Requests at once; a Prefect server handles them on one core anyway."""

_BULK = 50
"""Most flow runs the server changes in one call."""


def create_runs(
    api: Api,
    deployments: Sequence[TableDeployment],
    parameters: Mapping[str, Mapping[str, Any]],
    created: Callable[[Run], None],
) -> tuple[tuple[TableDeployment, ApiError], ...]:
    """One flow run of each deployment; those the server refused, with its reason.

    Args:
        api: the server.
        deployments: to run.
        parameters: deployment id -> values laid over the deployment's own.
        created: told of each run as soon as it exists, from any thread.
    """

    def create(deployment: TableDeployment) -> ApiError | None:
        own = dict(parameters.get(deployment.id, {}))
        # The key makes a repeated request (a lost answer, a busy server) find its first run.
        body = {"parameters": own, "idempotency_key": str(uuid.uuid4())}
        try:
            answer = api.post(f"deployments/{deployment.id}/create_flow_run", body)
        except ApiError as error:
            return error
        created(Run.from_api(answer))
        return None

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="run") as pool:
        try:
            errors = list(pool.map(create, deployments))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple((d, error) for d, error in zip(deployments, errors, strict=True) if error)


def cancel_runs(api: Api, ids: Sequence[str]) -> None:
    """Ask the server to cancel flow runs; those not started are cancelled at once."""
    for start in range(0, len(ids), _BULK):
        api.post(
            "flow_runs/bulk_set_state",
            {
                "flow_runs": {"id": {"any_": list(ids[start : start + _BULK])}},
                "state": {"type": "CANCELLING", "message": "Cancelled from the command line"},
            },
        )
