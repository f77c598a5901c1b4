"""One attempt at a flow run in a warm process, as Prefect's executor wants it done."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import anyio.abc

from duckherd.worker import prefect_internals as internals
from duckherd.worker import protocol
from duckherd.worker.pool import ProcessSpec, WarmPool
from duckherd.worker.process import ProcessGone, WarmProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect.client.schemas.objects import FlowRun, State

_MAX_DECLINED = 3
"""Processes in a row that may decline a run because the code on disk keeps changing."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How one flow run is to be run."""

    spec: ProcessSpec
    entrypoint: str | None
    working_dir: str | None
    env: Mapping[str, str]
    stream_output: bool
    related: tuple[protocol.RelatedName, ...] = ()


class Attempt:
    """What Prefect's process manager takes for a process: one run's time in a warm one."""

    def __init__(self) -> None:
        self.process: WarmProcess | None = None
        self.returncode: int | None = None
        self.over = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def conclude(self, exit_code: int) -> None:
        self.returncode = exit_code
        self.over.set()


class AttemptScope:
    """Signals for the run's process and its subprocesses, never for the process's next run."""

    wait_after_graceful_kill = True

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def is_alive(self, pid: int) -> bool:
        return not self._attempt.over.is_set()

    def graceful_kill(self, pid: int) -> None:
        self._signal(signal.SIGTERM)

    def hard_kill(self, pid: int) -> None:
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        pass

    def _signal(self, number: int) -> None:
        # A process gets its next run only after this attempt was concluded here, in the
        # same event loop: a signal sent now cannot hit another run.
        if self._attempt.over.is_set() or self._attempt.process is None:
            raise ProcessLookupError
        self._attempt.process.signal_group(number)


class PromptProcessManager(internals.ProcessManager):
    """Prefect's process manager, but a kill returns as soon as the run is over."""

    async def kill(
        self, flow_run_id: UUID, grace_seconds: float = 30, *, force: bool = False
    ) -> None:
        handle = self.get(flow_run_id)
        if handle is None or not isinstance(handle.raw_process, Attempt):
            return
        if not force:
            handle.graceful_kill()
            with anyio.move_on_after(grace_seconds):
                await handle.raw_process.over.wait()
                return
        with contextlib.suppress(ProcessLookupError):
            handle.hard_kill()


class WarmStarter:
    """Prefect's `ProcessStarter`: hands a run to a warm process instead of starting one."""

    def __init__(
        self, pool: WarmPool, plan: RunPlan, control_channel: internals.ControlChannel
    ) -> None:
        self._pool = pool
        self._plan = plan
        self._control_channel = control_channel

    async def start(
        self,
        flow_run: FlowRun,
        task_status: anyio.abc.TaskStatus[internals.ProcessHandle] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run until the process has answered or is gone.

        Raises:
            RuntimeError: no process would take the run.
        """
        attempt = Attempt()
        run = self._message(flow_run)
        for _ in range(_MAX_DECLINED):
            process = await self._pool.acquire(self._plan.spec)
            announced = attempt.process is not None
            attempt.process = process
            if not announced:
                task_status.started(_handle(attempt))
            if await self._run_in(process, run, attempt):
                return
        attempt.conclude(1)
        raise RuntimeError("the code of the flow kept changing while it was imported")

    async def _run_in(self, process: WarmProcess, run: protocol.Run, attempt: Attempt) -> bool:
        reusable = False
        try:
            answer = await process.ask(run)
            if isinstance(answer, protocol.Declined):
                self._pool.discard_code(self._plan.spec.key)
                return False
            if isinstance(answer, protocol.Finished):
                reusable = answer.retiring is None
                attempt.conclude(answer.exit_code)
            return True
        except ProcessGone:
            attempt.conclude(process.exit_code.result())
            return True
        finally:
            if not attempt.over.is_set() and not process.alive:
                attempt.conclude(1)
            self._pool.release(process, self._plan.spec, reusable=reusable)

    def _message(self, flow_run: FlowRun) -> protocol.Run:
        env = dict(self._plan.env)
        with contextlib.suppress(RuntimeError):  # no listener: cancelling falls back to signals
            port, token = self._control_channel.register(flow_run.id)
            env |= {"PREFECT__CONTROL_PORT": str(port), "PREFECT__CONTROL_TOKEN": token}
        return protocol.Run(
            flow_run=flow_run.model_dump_json(),
            entrypoint=self._plan.entrypoint,
            working_dir=self._plan.working_dir,
            env=env,
            stream_output=self._plan.stream_output,
            related=self._plan.related,
        )


def _handle(attempt: Any) -> internals.ProcessHandle:
    # Prefect asks of a process no more than `Attempt` has.
    return internals.ProcessHandle(attempt, AttemptScope(attempt))


class WarmHookRunner:
    """Runs the hooks of a run whose process is gone in another process of the same kind."""

    def __init__(self, pool: WarmPool, plans: Mapping[UUID, RunPlan]) -> None:
        self._pool = pool
        self._plans = plans

    async def run_cancellation_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        if state.is_cancelling():
            await self._run(flow_run, state)

    async def run_crashed_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        if state.is_crashed():
            await self._run(flow_run, state)

    async def _run(self, flow_run: FlowRun, state: State[Any]) -> None:
        plan = self._plans.get(flow_run.id)
        if plan is None:
            return
        spec = replace(plan.spec, isolation="fork")
        process = await self._pool.acquire(spec)
        try:
            await process.ask(
                protocol.Hooks(
                    flow_run=flow_run.model_dump_json(),
                    state=state.model_dump_json(),
                    entrypoint=plan.entrypoint,
                    working_dir=plan.working_dir,
                    env=plan.env,
                )
            )
        finally:
            self._pool.release(process, spec, reusable=False)
