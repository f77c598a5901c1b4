"""What makes a Prefect server keep up with many small flow runs."""

from __future__ import annotations

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
