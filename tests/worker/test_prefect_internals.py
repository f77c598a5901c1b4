"""Fails when Prefect changes what the warm worker replaces or relies upon."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect

import pytest

from duckherd.worker import prefect_internals as internals
from duckherd.worker import support

WRITTEN_AGAINST = {
    "flow_engine._send_heartbeats": "83e152cb73a04e97",
    "flow_engine.observe_flow_run_suspension": "c342ca7443cedf86",
    "flow_engine.report_engine_outcome": "ad9bf9c0085790bd",
    "flows.ValidatedFunction": "63a3b09ee22c4bfc",
    "task_engine.emit_task_run_state_change_event": "7ade83dd2d3002f6",
    "results._read_server_default_result_storage_block_id": "cd297cdfa6f8530e",
    "results._aread_server_default_result_storage_block_id": "f8a04649e3d4d51e",
    "SyncPrefectClient.update_flow_run": "5965570af1600eea",
    "PrefectClient.update_flow_run": "0661811e54c96754",
    "SyncPrefectClient.read_flow_run": "a673c4edf210a69d",
    "PrefectClient.read_flow_run": "40cb7e75627e7500",
    "BaseJobConfiguration._base_environment": "e333c641b5717c8d",
    "flow_engine.run_flow": "f22c2edab9578efc",
    "flow_engine.load_flow": "00bed3c026d625cf",
    "FlowRunEngine.initialize_run": "d671c21d659e07f5",
    "FlowRunEngine.setup_run_context": "bdfdac23a4881c6e",
    "SyncTaskRunEngine.set_state": "eced3709d2e25994",
    "SyncTaskRunEngine.initialize_run": "b7c13eb6f31f943b",
    "FlowRunExecutor.submit": "23e5e9a6df819152",
    "CancellationManager.cancel": "feafe0fe2dea6ee8",
    "ControlChannel.signal": "af6b4ccbcd5ec46d",
    "ProcessManager.kill": "54409327ccd16859",
}


def _digest(owner: object, name: str) -> str:
    source = inspect.getsource(inspect.unwrap(getattr(owner, name)))
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("owner", "name"),
    [*internals.REPLACED, *internals.RELIED_UPON],
    ids=lambda part: part if isinstance(part, str) else getattr(part, "__name__", ""),
)
def test_prefect_has_not_changed(owner: object, name: str) -> None:
    """The source of each part is the one the worker was written against.

    On failure compare the new source with the old, adapt `prefect_internals`, run the
    worker's tests, then put the new digest here and the version into `support.TESTED`.
    """
    of = getattr(owner, "__name__", "").rpartition(".")[2]
    assert WRITTEN_AGAINST[f"{of}.{name}"] == _digest(owner, name)


def test_the_installed_version_is_supported() -> None:
    """The version the tests run with is one the worker claims to know."""
    assert support.unsupported_reason() is None


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version outside the range gives a reason that names both."""
    monkeypatch.setattr(support, "version", lambda _: "3.9.0")
    reason = support.unsupported_reason() or ""
    assert "3.9.0" in reason
    assert str(support.TESTED) in reason


def test_the_range_is_the_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    """The range is no wider than what the package may be installed with."""
    requirements = importlib.metadata.requires("duckherd") or []
    [prefect] = [one for one in requirements if one.startswith("prefect")]
    assert set(prefect.removeprefix("prefect").split(",")) == set(str(support.TESTED).split(","))
