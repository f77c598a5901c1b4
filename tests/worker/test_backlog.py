"""Which run starts next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from duckherd.worker.backlog import Backlog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _run(seconds: float) -> FlowRun:
    due = NOW + timedelta(seconds=seconds)
    return FlowRun(id=uuid4(), flow_id=uuid4(), next_scheduled_start_time=due)


def test_runs_start_in_the_servers_order_once_they_are_due() -> None:
    """A later entry that is due passes an earlier one that is not."""
    later, first, second = _run(5), _run(-1), _run(-9)
    backlog = Backlog()
    backlog.replace([later, first, second])
    assert backlog.has_due(NOW)
    assert backlog.take_due(NOW) == first
    backlog.put_back(first)
    assert [backlog.take_due(NOW) for _ in range(3)] == [first, second, None]
    assert backlog.next_due(NOW) == 5.0
    assert not backlog.has_due(NOW)


def test_a_new_poll_replaces_the_old() -> None:
    """What the server no longer offers is forgotten."""
    backlog = Backlog()
    backlog.replace([_run(-1)])
    backlog.replace([])
    assert backlog.take_due(NOW) is None
    assert backlog.next_due(NOW) is None
