"""The private parts of Prefect a warm worker needs; nothing else imports them.

Tested with the versions in `support.TESTED`. `tests/worker/test_prefect_internals.py`
compares the source of everything replaced here with what it was written against, and
fails when Prefect changes it. Importing this module fails when a name is gone; the
worker then starts flow runs Prefect's own way.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect import flow_engine, flows, results, task_engine
from prefect._flow_run_suspension import mark_flow_run_suspension_requested
from prefect._internal.attempt_control import AttemptConclusion, EngineOutcomeReceipt
from prefect._internal.control_listener import (
    clear_intent,
    configure_from_env,
    report_engine_outcome,
)
from prefect._internal.metrics import RunMetrics
from prefect._internal.pydantic.validated_func import ValidatedFunction
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.context import SyncClientContext
from prefect.engine import _drive_run_flow_result as drive_flow_result
from prefect.engine import handle_engine_signals
from prefect.events.related import RESOURCE_CACHE
from prefect.flow_engine import _load_flow_from_runtime_entrypoint as load_flow_from_entrypoint
from prefect.flow_engine import load_flow, run_flow
from prefect.logging.loggers import flow_run_logger
from prefect.runner._cancellation_manager import CancellationManager
from prefect.runner._control_channel import ControlChannel
from prefect.runner._event_emitter import EventEmitter
from prefect.runner._flow_run_executor import FlowRunExecutor
from prefect.runner._hook_runner import _run_hooks as run_hooks
from prefect.runner._process_manager import (
    ProcessHandle,
    ProcessManager,
    create_isolated_termination_scope,
)
from prefect.runner._state_proposer import StateProposer
from prefect.types._datetime import now
from prefect.utilities.engine import emit_task_run_state_change_event
from prefect.workers.base import BaseJobConfiguration

from duckherd.worker.quick_tasks import QuickTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from duckherd.worker.protocol import RelatedName

__all__ = [
    "AttemptConclusion",
    "CancellationManager",
    "ControlChannel",
    "CurrentRun",
    "EventEmitter",
    "FlowRun",
    "FlowRunExecutor",
    "ProcessHandle",
    "ProcessManager",
    "RunMetrics",
    "State",
    "StateProposer",
    "SyncClientContext",
    "clear_intent",
    "configure_from_env",
    "create_isolated_termination_scope",
    "drive_flow_result",
    "flow_run_logger",
    "handle_engine_signals",
    "install_in_child",
    "load_flow",
    "load_flow_from_entrypoint",
    "prime_related",
    "request_suspension",
    "run_flow",
    "run_hooks",
]

RESULT_STORAGE_TTL = 60.0
"""Seconds for which a process remembers the server's default result storage."""

FIRST_HEARTBEAT_SECONDS = 1.0
"""A run that ends sooner sends no heartbeat."""

REPLACED: tuple[tuple[Any, str], ...] = (
    (flow_engine, "_send_heartbeats"),
    (flow_engine, "observe_flow_run_suspension"),
    (flow_engine, "report_engine_outcome"),
    (flows, "ValidatedFunction"),
    (task_engine, "emit_task_run_state_change_event"),
    (results, "_read_server_default_result_storage_block_id"),
    (results, "_aread_server_default_result_storage_block_id"),
    (SyncPrefectClient, "update_flow_run"),
    (PrefectClient, "update_flow_run"),
    (SyncPrefectClient, "read_flow_run"),
    (PrefectClient, "read_flow_run"),
)
"""What `install_in_child` replaces, for the test that notices changes."""

RELIED_UPON: tuple[tuple[Any, str], ...] = (
    (BaseJobConfiguration, "_base_environment"),
    (flow_engine, "run_flow"),
    (flow_engine, "load_flow"),
    (flow_engine.FlowRunEngine, "initialize_run"),
    (flow_engine.FlowRunEngine, "setup_run_context"),
    (task_engine.SyncTaskRunEngine, "set_state"),
    (task_engine.SyncTaskRunEngine, "initialize_run"),
    (FlowRunExecutor, "submit"),
    (CancellationManager, "cancel"),
    (ControlChannel, "signal"),
    (ProcessManager, "kill"),
)
"""Private code whose behaviour the worker counts on, for the same test."""


@dataclass
class CurrentRun:
    """What the replaced parts know of the run this process is running."""

    infrastructure_pid: str
    """Stored with the flow run in the update the engine makes anyway."""
    flow_run: FlowRun | None = None
    outcome: EngineOutcomeReceipt | None = None
    """How the engine says it concluded."""
    unread: bool = False
    """Whether the engine has yet to read the flow run it was given."""

    def begin(self, flow_run: FlowRun) -> None:
        self.flow_run, self.outcome, self.unread = flow_run, None, True

    def is_about(self, flow_run_id: UUID) -> bool:
        return self.flow_run is not None and self.flow_run.id == flow_run_id

    def take_as_read(self) -> FlowRun | None:
        """The flow run as the server has it now that it is Running, once."""
        run = self.flow_run
        if not self.unread or run is None or run.state is None or not run.state.is_running():
            return None
        self.unread = False
        start = run.start_time or run.state.timestamp
        return run.model_copy(update={"run_count": run.run_count + 1, "start_time": start})


def install_in_child(current: CurrentRun) -> None:
    """Replace what costs a second or a request per run, once in a child's life."""
    replacements = {
        "_send_heartbeats": _send_heartbeats,
        "observe_flow_run_suspension": _suspension_is_relayed,
        "report_engine_outcome": _reporting_to(current),
        "ValidatedFunction": _built_once(ValidatedFunction),
        "emit_task_run_state_change_event": QuickTasks(
            emit_task_run_state_change_event, _is_step_of_ours
        ),
        "_read_server_default_result_storage_block_id": _remembered(
            results._read_server_default_result_storage_block_id  # noqa: SLF001
        ),
        "_aread_server_default_result_storage_block_id": _remembered_async(
            results._aread_server_default_result_storage_block_id  # noqa: SLF001
        ),
    }
    for owner, name in REPLACED:
        original = getattr(owner, name)
        if name == "update_flow_run":
            setattr(owner, name, _with_pid(original, current))
        elif name == "read_flow_run":
            setattr(owner, name, _as_read(original, current))
        else:
            setattr(owner, name, replacements[name])


@contextmanager
def _send_heartbeats(engine: Any, join_on_exit: bool = True) -> Iterator[None]:
    # Prefect's own sleeps in steps of a second and is joined at the end of the run. Its first
    # event comes at once, which for a short run is an event about nothing.
    seconds = engine.heartbeat_seconds
    if seconds is None:
        yield
        return
    resource, related = engine._build_heartbeat_event_template()  # noqa: SLF001
    stop = threading.Event()

    def beat() -> None:
        stop.wait(FIRST_HEARTBEAT_SECONDS)
        while not stop.is_set():
            state = engine.flow_run and engine.flow_run.state
            if state and state.is_final():
                return
            try:
                engine._emit_flow_run_heartbeat(resource, related)  # noqa: SLF001
            except Exception:
                engine.logger.debug("Failed to emit heartbeat", exc_info=True)
            stop.wait(seconds)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(beat,), daemon=True, name="heartbeat"
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        if join_on_exit:
            thread.join(timeout=2)


@contextmanager
def _suspension_is_relayed(*_: Any, **__: Any) -> Iterator[None]:
    # The worker watches all its runs over one websocket and tells this process.
    yield


def request_suspension(flow_run_id: str, state: str) -> None:
    """Make the engine of this flow run stop at its next step, as Prefect's observer does."""
    mark_flow_run_suspension_requested(UUID(flow_run_id), State.model_validate_json(state))


def _reporting_to(current: CurrentRun) -> Callable[..., bool]:
    def report(receipt: EngineOutcomeReceipt) -> bool:
        current.outcome = receipt
        return report_engine_outcome(receipt)

    return report


def _built_once(build: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the pydantic model of each flow's signature, which Prefect builds for every run."""
    known: dict[Callable[..., Any], Any] = {}

    def built(function: Callable[..., Any], config: Any = None) -> Any:
        if function not in known:
            known[function] = build(function, config=config)
        return known[function]

    return built


def _is_step_of_ours(task_run: TaskRun) -> bool:
    # Automations may wait for the events of any other task. Whoever runs ours has imported them.
    flow = sys.modules.get("duckherd.flow")
    return flow is not None and task_run.task_key in flow.STEP_KEYS


def _remembered(read: Callable[[], UUID | None]) -> Callable[[], UUID | None]:
    known: list[tuple[float, UUID | None]] = []

    def remembered() -> UUID | None:
        if not known or known[0][0] < time.monotonic():
            known[:] = [(time.monotonic() + RESULT_STORAGE_TTL, read())]
        return known[0][1]

    return remembered


def _remembered_async(read: Callable[[], Any]) -> Callable[[], Any]:
    known: list[tuple[float, UUID | None]] = []

    async def remembered() -> UUID | None:
        if not known or known[0][0] < time.monotonic():
            known[:] = [(time.monotonic() + RESULT_STORAGE_TTL, await read())]
        return known[0][1]

    return remembered


def _with_pid(original: Callable[..., Any], current: CurrentRun) -> Callable[..., Any]:
    def update_flow_run(self: Any, flow_run_id: UUID, *args: Any, **kwargs: Any) -> Any:
        if "empirical_policy" in kwargs and current.is_about(flow_run_id):
            kwargs.setdefault("infrastructure_pid", current.infrastructure_pid)
        return original(self, flow_run_id, *args, **kwargs)

    return update_flow_run


def _as_read(original: Callable[..., Any], current: CurrentRun) -> Callable[..., Any]:
    def read_flow_run(self: Any, flow_run_id: UUID) -> Any:
        # The engine reads the run it has just set Running; the answer is known.
        known = current.take_as_read() if current.is_about(flow_run_id) else None
        if known is None:
            return original(self, flow_run_id)
        return _already(known) if isinstance(self, PrefectClient) else known

    return read_flow_run


async def _already(flow_run: FlowRun) -> FlowRun:
    return flow_run


class _Named:
    """Enough of an API object for `object_as_related_resource`."""

    def __init__(self, related: RelatedName) -> None:
        self.id = related.id
        self.name = related.name
        self.tags = list(related.tags)


def prime_related(related: Iterable[RelatedName]) -> None:
    """Tell the events of this process the names of the objects a flow run relates to.

    Args:
        related: flow, deployment, work queue and work pool of the run.
    """
    for one in related:
        # Prefect looks work pools up by name, everything else by id.
        key = f"{one.kind}.{one.name if one.kind == 'work-pool' else one.id}"
        entry: Any = ({"kind": one.kind, "object": _Named(one)}, now("UTC"))
        RESOURCE_CACHE[key] = entry
