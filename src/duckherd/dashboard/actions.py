"""What the dashboard may do to the herd, through Prefect's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from duckherd.api.client import Api
from duckherd.history.tables import Table
from duckherd.sla.model import ACTIVE_STATES, Run


def run(api: Api, table: Table, _: list[Run]) -> str:
    """Create a flow run that starts now."""
    made = api.post(f"/deployments/{table.id}/create_flow_run", {"state": {"type": "SCHEDULED"}})
    return f"Created flow run {made['name']}."


def cancel(api: Api, _: Table, runs: list[Run]) -> str:
    """Cancel its runs that are going on; those that only wait are cancelled at once."""
    active = [one for one in runs if one.state in ACTIVE_STATES]
    for one in active:
        kind = "CANCELLING" if one.attempts else "CANCELLED"
        api.post(f"/flow_runs/{one.id}/set_state", {"state": {"type": kind}, "force": False})
    return f"Cancelled {len(active)} flow runs." if active else "Nothing is running."


def pause(api: Api, table: Table, _: list[Run]) -> str:
    """Stop scheduling runs."""
    api.post(f"/deployments/{table.id}/pause_deployment")
    return "Paused. Its slots are excluded until it is resumed."


def resume(api: Api, table: Table, _: list[Run]) -> str:
    """Schedule runs again."""
    api.post(f"/deployments/{table.id}/resume_deployment")
    return "Resumed."


ACTIONS: Mapping[str, Callable[[Api, Table, list[Run]], str]] = {
    "run": run,
    "retry": run,
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
}
"""Name in the address -> action; each tells what it did."""
