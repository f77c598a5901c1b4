"""`duckherd worker`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def worker(
    *,
    pool: str = "herd",
    limit: int | None = None,
    queue: Annotated[list[str] | None, Parameter(negative=())] = None,
    name: str | None = None,
) -> None:
    """Start a warm worker.

    It polls a work pool for flow runs, ours or any other flow's, and hands each to a
    process that has Prefect and the flow already imported. Ctrl-C lets it finish as
    Prefect's own workers do. The work pool is made, with type `warm`, if there is none.

    Args:
        pool: Work pool to poll.
        limit: Most flow runs at a time; twice the number of processors unless given.
        queue: Work queue to poll; may be repeated; all of the pool unless given.
        name: Name of the worker on the server.
    """
    from duckherd.worker import run_worker

    run_worker(pool, limit=limit, name=name, work_queues=queue)
