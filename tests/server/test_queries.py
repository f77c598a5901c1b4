"""Fails when Prefect changes what the local server's queries stand in for."""

from __future__ import annotations

import hashlib
import inspect
import re
from types import ModuleType

import pytest

from duckherd.server import queries

WRITTEN_AGAINST = {
    "flow_runs.read_flow_run": "4bbe10919bd6a2d3",
    "flow_runs.update_flow_run_labels": "e5f7245fe8e262cb",
    "deployments.read_deployment": "38916e7ea27e9312",
    "flow_runs.set_flow_run_state": "7e1aedcc97463515",
}


@pytest.mark.parametrize(("module", "name"), [*queries.REPLACED, *queries.RELIED_UPON])
def test_prefect_has_not_changed(module: ModuleType, name: str) -> None:
    """The source of each part is the one `queries.py` was written against.

    On failure compare the new source with the old, adapt `queries.py`, run
    `test_same_answers.py`, then put the new digest here.
    """
    source = inspect.getsource(inspect.unwrap(getattr(module, name)))
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    assert WRITTEN_AGAINST[f"{module.__name__.rpartition('.')[2]}.{name}"] == digest


def test_orchestration_asks_deployments_for_limits_only() -> None:
    """It reads a deployment's concurrency settings and nothing else of it."""
    from prefect.server.orchestration import core_policy

    source = inspect.getsource(core_policy)
    fields = set(re.findall(r"\bdeployment\.(\w+)", source))
    assert fields == {"global_concurrency_limit", "concurrency_limit_id", "concurrency_options"}
