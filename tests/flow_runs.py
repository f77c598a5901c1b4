"""Running the flow by Prefect's engine in the test's own process, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from duckherd.flow import ingest_table


@pytest.fixture(scope="module", autouse=True)
def engine(prefect_api: str) -> Iterator[None]:
    """Prefect's engine in this process speaks to the session's server."""
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield
        APILogWorker.drain_all()


@pytest.fixture(autouse=True)
def private_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Spools of a test go with the test."""
    monkeypatch.setenv("DUCKHERD_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


def ingest(**parameters: Any) -> FlowRun:
    """Run the flow; the flow run as the server tells it, whatever its end."""
    state = ingest_table(**parameters, return_state=True)
    with get_client(sync_client=True) as client:
        return client.read_flow_run(state.state_details.flow_run_id)
