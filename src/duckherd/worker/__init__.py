"""The warm worker: a Prefect worker type that keeps processes with Prefect imported.

Prefect finds the worker type `warm` through the entry point group
`prefect.collections`, which names `duckherd.worker.warm_worker`. Importing this
package alone imports nothing of Prefect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duckherd.worker.server_tuning import server_settings

if TYPE_CHECKING:
    from duckherd.worker.warm_worker import WarmWorker

__all__ = ["WarmWorker", "run_worker", "server_settings"]


def __getattr__(name: str) -> Any:
    if name == "WarmWorker":
        from duckherd.worker.warm_worker import WarmWorker

        return WarmWorker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def run_worker(
    pool: str = "herd",
    *,
    limit: int | None = None,
    name: str | None = None,
    work_queues: list[str] | None = None,
) -> None:
    """Serve a work pool until SIGTERM or SIGINT.

    Args:
        pool: work pool; created as a `warm` pool if it does not exist.
        limit: flow runs at a time; None is twice the number of processors.
        name: as it appears in Prefect's UI; None makes one up.
        work_queues: queues to serve; None is all of the pool's.
    """
    from duckherd.worker.__main__ import serve

    serve(pool, limit=limit, name=name, work_queues=work_queues)
