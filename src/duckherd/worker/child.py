"""A warm process: takes flow runs over its socket and runs each on its main thread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import queue
import random
import resource
import sys
import threading
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from duckherd import process_life
from duckherd.worker import prefect_internals as internals
from duckherd.worker import protocol
from duckherd.worker.run_isolation import run_surroundings, undone

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from prefect.flows import Flow

    from duckherd.worker.code_version import ImportedCode


@dataclass
class _Child:
    """State of this process between and during its runs."""

    sock: socket.socket
    code: ImportedCode
    max_runs: int
    max_rss_bytes: int
    runs: int = 0
    loaded: bool = False
    """Whether the current run's flow could be imported."""
    current: internals.CurrentRun = field(
        default_factory=lambda: internals.CurrentRun(str(os.getpid()))
    )
    inbox: queue.SimpleQueue[protocol.Message | None] = field(default_factory=queue.SimpleQueue)


def serve(sock: socket.socket, code: ImportedCode, max_runs: int, max_rss_bytes: int) -> None:
    """Run flow runs until told to stop or due for replacement.

    Returns when the worker closes the socket, and after the run that made this
    process retire. The interpreter's own exit then flushes logs and events.
    """
    child = _Child(sock, code, max_runs, max_rss_bytes)
    _become_own_process()
    internals.install_in_child(child.current)
    threading.Thread(target=_receive, args=(child,), daemon=True, name="worker-messages").start()
    life = process_life.many_runs() if max_runs > 1 else contextlib.nullcontext()
    with _shared_client(), life:
        while (message := child.inbox.get()) is not None:
            if not _handle(child, message):
                return


def _become_own_process() -> None:
    # A group of its own: a cancelled run takes its subprocesses along, and Ctrl-C at
    # the worker's terminal reaches the worker alone.
    os.setsid()
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


@contextlib.contextmanager
def _shared_client() -> Iterator[None]:
    # Everything synchronous in the runs finds this client in its context and shares
    # its connection, CSRF token and version check.
    with internals.SyncClientContext():
        yield


def _receive(child: _Child) -> None:
    while True:
        message = protocol.receive(child.sock)
        if isinstance(message, protocol.Suspend):
            internals.request_suspension(message.flow_run_id, message.state)
            continue
        child.inbox.put(message)
        if message is None:
            return


def _handle(child: _Child, message: protocol.Message) -> bool:
    """Answer one message; False when this process takes no further."""
    if changed := child.code.changed():
        protocol.send(child.sock, protocol.Declined(f"{changed} changed on disk"))
        return False
    child.code.begin()
    threads_before = set(threading.enumerate())
    exit_code = 1
    if isinstance(message, protocol.Run):
        exit_code = contextvars.copy_context().run(_run, child, message)
    elif isinstance(message, protocol.Hooks):
        exit_code = contextvars.copy_context().run(_run_hooks, message)
    child.code.record()
    child.runs += 1
    rss = _resident_bytes()
    retiring = _reason_to_retire(child, exit_code, threads_before, rss)
    with contextlib.suppress(OSError):  # the worker may be gone; the run is over all the same
        protocol.send(child.sock, protocol.Finished(exit_code, retiring, rss))
    return retiring is None


def _reason_to_retire(
    child: _Child, exit_code: int, threads_before: set[threading.Thread], rss: int
) -> str | None:
    if exit_code and child.loaded:
        return f"the run exited with code {exit_code}"
    outcome = child.current.outcome
    if child.loaded and outcome is None:
        return "the run was stopped"
    if outcome and (outcome.state_type == "CRASHED" or outcome.state_name == "TimedOut"):
        return f"the run ended {outcome.state_name}"
    left = set(threading.enumerate()) - threads_before
    if names := [thread.name for thread in left if not thread.daemon]:
        return f"the run left threads behind: {', '.join(names)}"
    return _limit_reached(child, rss)


def _limit_reached(child: _Child, rss: int) -> str | None:
    if child.runs >= child.max_runs:
        return f"it has run {child.runs} flow runs"
    if rss > child.max_rss_bytes:
        return f"it uses {rss} bytes of memory, more than {child.max_rss_bytes}"
    return None


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _run(child: _Child, run: protocol.Run) -> int:
    flow_run = internals.FlowRun.model_validate_json(run.flow_run)
    child.loaded = False
    child.current.begin(flow_run)
    internals.prime_related(run.related)
    with run_surroundings(run.env, run.working_dir, stream_output=run.stream_output):
        return _attempt(child, flow_run, run.entrypoint)


def _attempt(child: _Child, flow_run: internals.FlowRun, entrypoint: str | None) -> int:
    """Do what `python -m prefect.engine` does; return its exit code."""
    internals.clear_intent()
    internals.configure_from_env()
    try:
        with internals.handle_engine_signals(flow_run.id):
            flow, logger = _load(flow_run, entrypoint)
            child.code.record()
            child.loaded = True
            with undone(), internals.RunMetrics(flow_run, flow):
                result = internals.run_flow(flow, flow_run=flow_run, error_logger=logger)
                internals.drive_flow_result(flow, result)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        # The engine has logged it and reported a state, or the worker will.
        logging.getLogger("duckherd.worker").debug("Flow run interrupted", exc_info=True)
        traceback.print_exc()
        return 1
    return 0


def _load(flow_run: internals.FlowRun, entrypoint: str | None) -> tuple[Flow[..., Any], Any]:
    logger = internals.flow_run_logger(flow_run)
    try:
        if entrypoint is None:
            sys.path.insert(0, "")  # wherever the pull steps lead; this process runs once
            return internals.load_flow(flow_run), logger
        return internals.load_flow_from_entrypoint(entrypoint), logger
    except Exception:
        logger.exception("Unexpected exception encountered when trying to load flow")
        raise


def _run_hooks(hooks: protocol.Hooks) -> int:
    flow_run = internals.FlowRun.model_validate_json(hooks.flow_run)
    state = internals.State.model_validate_json(hooks.state)
    with run_surroundings(hooks.env, hooks.working_dir, stream_output=True):
        try:
            flow, _ = _load(flow_run, hooks.entrypoint)
            found = flow.on_crashed_hooks if state.is_crashed() else flow.on_cancellation_hooks
            with undone():
                asyncio.run(internals.run_hooks(found or [], flow_run, flow, state))
        except Exception:  # noqa: BLE001
            internals.flow_run_logger(flow_run).warning("Hooks could not be run", exc_info=True)
    return 0
