"""Runs flow runs in warm processes: what `FlowRunExecutorContext` sets up per run, once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import anyio
from prefect.exceptions import ObjectNotFound

from duckherd.worker import prefect_internals as internals
from duckherd.worker import protocol
from duckherd.worker.attempts import (
    Attempt,
    PromptProcessManager,
    RunPlan,
    WarmHookRunner,
    WarmStarter,
)

if TYPE_CHECKING:
    from uuid import UUID

    import anyio.abc
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

    from duckherd.worker.pool import WarmPool

_CANCEL_RETRY = 0.05
"""Seconds between looks for the process of a run that is cancelled while it starts."""


class Supervisor:
    """One control channel, one pair of event subscriptions and one client for all runs."""

    def __init__(self, pool: WarmPool, client: PrefectClient, name: str) -> None:
        self._pool = pool
        self._client = client
        self._plans: dict[UUID, RunPlan] = {}
        self._being_cancelled: set[UUID] = set()
        self._stack = AsyncExitStack()
        self._control = internals.ControlChannel()
        self._states = internals.StateProposer(client=client)
        self._hooks = WarmHookRunner(pool, self._plans)
        self._events = internals.EventEmitter(runner_name=name, client=client)
        self._processes = PromptProcessManager(on_remove=self._forget)
        self._cancelling = internals.FlowRunCancellingObserver(
            on_cancelling=lambda flow_run_id: self._tasks.start_soon(self._cancel, flow_run_id),
        )
        self._suspending = internals.FlowRunSuspendingObserver(
            on_suspended=lambda run, state: self._tasks.start_soon(self._suspend, run, state)
        )
        self._cancellations = internals.CancellationManager(
            process_manager=self._processes,
            hook_runner=self._hooks,
            state_proposer=self._states,
            event_emitter=self._events,
            client=client,
            control_channel=self._control,
        )
        self._tasks: anyio.abc.TaskGroup

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._events)
        await self._stack.enter_async_context(self._control)
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        await self._stack.enter_async_context(self._cancelling)
        await self._stack.enter_async_context(self._suspending)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._tasks.cancel_scope.cancel()
        await self._stack.__aexit__(None, None, None)

    @property
    def in_flight(self) -> set[UUID]:
        """Flow runs whose attempt is under way."""
        return set(self._plans)

    async def execute(self, flow_run: FlowRun, plan: RunPlan) -> tuple[int | None, int | None]:
        """Run one attempt to its end; report it Crashed if nothing else was reported.

        Returns:
            Exit code and process id; None where the run was not started.
        """
        self._plans[flow_run.id] = plan
        self._cancelling.add_in_flight_flow_run_id(flow_run.id)
        self._suspending.add_in_flight_flow_run_id(flow_run.id)
        executor = internals.FlowRunExecutor(
            flow_run=flow_run,
            starter=WarmStarter(self._pool, plan, self._control),
            process_manager=self._processes,
            state_proposer=self._states,
            hook_runner=self._hooks,
            get_attempt_conclusion=self._control.get_conclusion,
            propose_submitting=False,
        )
        try:
            result = await executor.submit()
        finally:
            self._cancelling.remove_in_flight_flow_run_id(flow_run.id)
            self._suspending.remove_in_flight_flow_run_id(flow_run.id)
            self._tasks.start_soon(self._drop_plan_when_idle, flow_run.id)
        return (result.status_code, result.handle.pid) if result else (None, None)

    async def hand_back(self, flow_run_id: UUID, grace_seconds: float) -> bool:
        """Stop a run on this worker's account; whether it stopped without a state of its own."""
        status = await self._control.signal(flow_run_id, "reschedule")
        try:
            await self._processes.kill(flow_run_id, grace_seconds)
        except ProcessLookupError:
            return False
        return status.value == "acknowledged"

    async def _forget(self, flow_run_id: UUID) -> None:
        self._control.unregister(flow_run_id)

    async def _drop_plan_when_idle(self, flow_run_id: UUID) -> None:
        # A cancellation under way still needs the plan for its hooks.
        while flow_run_id in self._being_cancelled:
            await asyncio.sleep(_CANCEL_RETRY)
        self._plans.pop(flow_run_id, None)

    async def _cancel(self, flow_run_id: UUID) -> None:
        if flow_run_id in self._being_cancelled:
            return
        self._being_cancelled.add(flow_run_id)
        try:
            while self._processes.get(flow_run_id) is None and flow_run_id in self._plans:
                await asyncio.sleep(_CANCEL_RETRY)
            await self._cancellations.cancel_by_id(flow_run_id)
        except ObjectNotFound:
            return
        finally:
            self._being_cancelled.discard(flow_run_id)

    async def _suspend(self, flow_run_id: UUID, state: State[Any]) -> None:
        handle = self._processes.get(flow_run_id)
        if handle is not None and isinstance(handle.raw_process, Attempt):
            process = handle.raw_process.process
            if process is not None:
                await process.send(protocol.Suspend(str(flow_run_id), state.model_dump_json()))
