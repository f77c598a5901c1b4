"""`duckherd worker`."""

from __future__ import annotations

import asyncio
import os
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
        limit: Most flow runs at a time.
        queue: Work queue to poll; may be repeated; all of the pool unless given.
        name: Name of the worker on the server.
    """
    from prefect.utilities.processutils import setup_signal_handlers_worker

    from duckherd.worker import WarmWorker

    process = WarmWorker(name=name, work_pool_name=pool, work_queues=queue, limit=limit)
    setup_signal_handlers_worker(os.getpid(), "the warm worker", print)
    asyncio.run(process.start())
