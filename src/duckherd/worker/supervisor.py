"""Runs flow runs in warm processes: what `FlowRunExecutorContext` sets up per run, once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.abc
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
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

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

    from duckherd.worker.pool import WarmPool

_LOOK_AGAIN = 0.05
"""Seconds between looks for a process that is being found, or a state being committed."""
_SUSPENSION_VISIBLE = 30.0
"""Seconds within which a suspension the server announced is in the flow run, too."""


class Supervisor:
    """One control channel, one event client and one API client for all runs."""

    def __init__(self, pool: WarmPool, client: PrefectClient, name: str) -> None:
        self._pool = pool
        self._client = client
        self._plans: dict[UUID, RunPlan] = {}
        self._cancelling: set[UUID] = set()
        self._stack = AsyncExitStack()
        self._control = internals.ControlChannel()
        self._states = internals.StateProposer(client=client)
        self._hooks = WarmHookRunner(pool, self._plans)
        self._events = internals.EventEmitter(runner_name=name, client=client)
        self._processes = PromptProcessManager(on_remove=self._unregister)
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
            if flow_run.id not in self._cancelling:  # whose hooks still need the plan
                self._plans.pop(flow_run.id, None)
        return (result.status_code, result.handle.pid) if result else (None, None)

    async def hand_back(self, flow_run_id: UUID, grace_seconds: float) -> bool:
        """Stop a run without giving it a final state; whether it has none."""
        if self._processes.get(flow_run_id) is None:
            return True  # claimed, but no process has begun it
        status = await self._control.signal(flow_run_id, "reschedule")
        try:
            await self._processes.kill(flow_run_id, grace_seconds)
        except ProcessLookupError:
            return False
        return bool(status.value == "acknowledged")

    def cancel(self, flow_run_id: UUID) -> None:
        """Cancel a run if it is one of ours: signal, hooks, Cancelled."""
        if flow_run_id in self._plans and flow_run_id not in self._cancelling:
            self._cancelling.add(flow_run_id)
            self._tasks.start_soon(self._cancel, flow_run_id)

    def suspend(self, flow_run_id: UUID) -> None:
        """Tell a run of ours that it was suspended; it stops at its next step."""
        if flow_run_id in self._plans:
            self._tasks.start_soon(self._suspend, flow_run_id)

    async def reconcile(self) -> None:
        """Cancel and suspend what should be, as the API has it now."""
        if not self._plans:
            return
        runs = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                id=FlowRunFilterId(any_=list(self._plans)),
                state=FlowRunFilterState(
                    name=FlowRunFilterStateName(any_=["Cancelling", "Suspended"])
                ),
            )
        )
        for run in runs:
            (self.suspend if run.state_name == "Suspended" else self.cancel)(run.id)

    async def _unregister(self, flow_run_id: UUID) -> None:
        self._control.unregister(flow_run_id)

    async def _cancel(self, flow_run_id: UUID) -> None:
        try:
            with anyio.move_on_after(_SUSPENSION_VISIBLE):
                while self._processes.get(flow_run_id) is None:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_AGAIN)
                await self._cancellations.cancel_by_id(flow_run_id)
        except ObjectNotFound:
            return
        finally:
            self._cancelling.discard(flow_run_id)
            if self._processes.get(flow_run_id) is None:
                self._plans.pop(flow_run_id, None)

    async def _suspend(self, flow_run_id: UUID) -> None:
        with anyio.move_on_after(_SUSPENSION_VISIBLE):
            state = await self._announced_state(flow_run_id)
            handle = self._processes.get(flow_run_id)
            attempt: Any = handle.raw_process if handle else None
            if state.name == "Suspended" and isinstance(attempt, Attempt) and attempt.process:
                suspension = protocol.Suspend(str(flow_run_id), state.model_dump_json())
                await attempt.process.send(suspension)

    async def _announced_state(self, flow_run_id: UUID) -> State[Any]:
        # The event may come before the transaction that wrote the state is visible.
        while True:
            state = (await self._client.read_flow_run(flow_run_id)).state
            if state is not None and (state.name == "Suspended" or state.is_final()):
                return state
            await asyncio.sleep(10 * _LOOK_AGAIN)
