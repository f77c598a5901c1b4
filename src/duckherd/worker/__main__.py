"""`python -m duckherd.worker --pool herd`: a warm worker in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import signal

from duckherd.worker import run_worker


def serve(pool: str, *, limit: int | None, name: str | None, work_queues: list[str] | None) -> None:
    """Run a worker until SIGTERM or SIGINT; see `duckherd.worker.run_worker`."""
    asyncio.run(_serve(pool, limit, name, work_queues))


async def _serve(
    pool: str, limit: int | None, name: str | None, work_queues: list[str] | None
) -> None:
    from duckherd.worker.warm_worker import WarmWorker

    worker = WarmWorker(work_pool_name=pool, work_queues=work_queues, name=name, limit=limit)
    task = asyncio.ensure_future(worker.start())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m duckherd.worker", description=__doc__)
    parser.add_argument("--pool", default="herd", help="work pool to serve")
    parser.add_argument("--limit", type=int, help="flow runs at a time")
    parser.add_argument("--name", help="name of this worker")
    parser.add_argument("--work-queue", action="append", help="queue to serve; may be repeated")
    options = parser.parse_args()
    run_worker(options.pool, limit=options.limit, name=options.name, work_queues=options.work_queue)


if __name__ == "__main__":
    main()
