"""The Prefect worker type `warm`: flow runs in processes that are already running."""

from __future__ import annotations

import asyncio
import copy
import os
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import httpx
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.settings import PREFECT_WORKER_QUERY_SECONDS
from prefect.states import AwaitingRetry
from prefect.types._datetime import now
from prefect.utilities.engine import propose_state
from prefect.workers.process import ProcessWorker, ProcessWorkerResult

from duckherd.worker.backlog import Backlog
from duckherd.worker.deployments import DeploymentCache
from duckherd.worker.events import Listeners, watch_pool
from duckherd.worker.job import (
    WarmJobConfiguration,
    WarmVariables,
    base_environment,
    plan_run,
    process_key,
    related_names,
)
from duckherd.worker.pool import WarmPool
from duckherd.worker.support import unsupported_reason

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import Flow, FlowRun
    from prefect.client.schemas.responses import DeploymentResponse, WorkerFlowRunResponse

    from duckherd.worker.supervisor import Supervisor

SHUTDOWN_SECONDS = 20.0
"""Default for how long a stopping worker lets its runs finish before handing them back."""
MIN_POLL_SECONDS = 0.25
"""Least time between two polls that were asked for by an event or a free slot."""
FRESH_SECONDS = 0.1
"""A poll's answer is trusted for less time than any other worker needs to finish a run."""
_HAND_BACK_SECONDS = 5.0
_CLOSE_SECONDS = 10.0


class WarmWorkerResult(ProcessWorkerResult):
    """How a flow run's attempt in a warm process ended."""


class WarmWorker(ProcessWorker):
    """Takes flow runs off a work pool and runs them in warm processes."""

    type: str = "warm"
    job_configuration = WarmJobConfiguration
    job_configuration_variables = WarmVariables  # type: ignore[assignment]
    _display_name = "Warm process"
    _description = (
        "Execute flow runs in processes on the worker's host that have already imported"
        " Prefect and the flow: a run starts in milliseconds instead of seconds."
    )
    _documentation_url = "https://github.com/duckherd/duckherd/blob/main/docs/worker.md"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("limit") is None:
            kwargs["limit"] = 2 * (os.cpu_count() or 1)
        super().__init__(*args, **kwargs)
        self._unsupported = unsupported_reason()
        self._warm = AsyncExitStack()
        self._pool = WarmPool(max_idle=kwargs["limit"])
        self._supervisor: Supervisor | None = None
        self._tasks: anyio.abc.TaskGroup
        self._lookups: DeploymentCache
        self._prefetch_seconds = max(
            self._prefetch_seconds, 1 + 1.3 * PREFECT_WORKER_QUERY_SECONDS.value()
        )
        self._backlog = Backlog()
        self._poll_began = self._polled_at = 0.0
        self._polling = anyio.Lock()
        self._released: set[UUID] = set()
        """Runs that ended while a poll was under way: its answer may still contain them."""
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._asked = anyio.Event()
        self._synced = anyio.Event()
        self._idle = anyio.Event()
        self._idle.set()
        self._stopping = False

    @property
    def _warm_runs(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("The worker is not set up; use it as an async context manager.")
        return self._supervisor

    @property
    def _runs(self) -> anyio.abc.TaskGroup:
        if self._runs_task_group is None:
            raise RuntimeError("The worker is not set up; use it as an async context manager.")
        return self._runs_task_group

    # --- life -----------------------------------------------------------------------

    async def setup(self) -> None:
        await super().setup()
        if self._unsupported:
            self._logger.warning(
                "Flow runs are started Prefect's own way, in seconds instead of milliseconds: %s.",
                self._unsupported,
            )
            return
        from duckherd.worker.supervisor import Supervisor

        self._lookups = DeploymentCache(self.client)
        self._tasks = await self._warm.enter_async_context(anyio.create_task_group())
        self._supervisor = await self._warm.enter_async_context(
            Supervisor(self._pool, self.client, self.name)
        )
        self._tasks.start_soon(self._poll_when_asked)
        self._tasks.start_soon(self._start_due_runs)
        self._tasks.start_soon(self._start_watching)

    async def _initialize_after_sync(self) -> None:
        first = not self._has_successfully_synced
        await super()._initialize_after_sync()
        if first and self._has_successfully_synced and not self._unsupported:
            self._synced.set()

    async def _start_watching(self) -> None:
        await self._synced.wait()
        self._tasks.start_soon(self._prewarm)
        await watch_pool(
            self.work_pool.id,
            Listeners(
                cancelling=self._warm_runs.cancel,
                suspended=self._warm_runs.suspend,
                scheduled=self._ask_to_poll,
                deployment_changed=self._lookups.forget,
                connected=self._lookups.watch,
                reconcile=self._warm_runs.reconcile,
            ),
        )

    async def _prewarm(self) -> None:
        configuration: WarmJobConfiguration
        configuration = await self.job_configuration.from_template_and_values(
            base_job_template=self.work_pool.base_job_template, values={}, client=self.client
        )
        await self._pool.prewarm(process_key(base_environment() | configuration.env, None))

    async def teardown(self, *exc_info: Any) -> None:
        self._stopping = True
        if self._supervisor is not None:
            with anyio.CancelScope(shield=True):
                await self._finish_or_hand_back()
            self._tasks.cancel_scope.cancel()
            await self._warm.aclose()
            await self._pool.close(_CLOSE_SECONDS)
        await super().teardown(*exc_info)

    async def _finish_or_hand_back(self) -> None:
        self._backlog.clear()
        seconds = float(os.environ.get("DUCKHERD_SHUTDOWN_SECONDS", SHUTDOWN_SECONDS))
        with anyio.move_on_after(seconds):
            await self._idle.wait()
        async with anyio.create_task_group() as tasks:
            for flow_run_id in self._warm_runs.in_flight:
                tasks.start_soon(self._hand_back, flow_run_id)

    async def _hand_back(self, flow_run_id: UUID) -> None:
        try:
            if await self._warm_runs.hand_back(flow_run_id, _HAND_BACK_SECONDS):
                await propose_state(self.client, AwaitingRetry(), flow_run_id=flow_run_id)
                self._logger.info("Handed flow run '%s' back to the work pool.", flow_run_id)
        except (httpx.HTTPError, Abort, Pause) as error:
            self._logger.warning("Flow run '%s' was not handed back: %r", flow_run_id, error)

    # --- taking runs ----------------------------------------------------------------

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        async with self._polling:
            self._released.clear()
            self._poll_began = time.monotonic()
            return await super().get_and_submit_flow_runs()

    async def _submit_scheduled_flow_runs(
        self, flow_run_response: list[WorkerFlowRunResponse]
    ) -> list[FlowRun]:
        if self._supervisor is None:
            return await super()._submit_scheduled_flow_runs(flow_run_response)
        await self._lookups.prefetch(entry.flow_run.deployment_id for entry in flow_run_response)
        self._backlog.replace(
            entry.flow_run
            for entry in flow_run_response
            if entry.flow_run.id not in self._submitting_flow_run_ids | self._released
        )
        self._polled_at = self._poll_began
        return self._fill_slots()

    def _fill_slots(self) -> list[FlowRun]:
        taken: list[FlowRun] = []
        while not self._stopping and (run := self._backlog.take_due(now("UTC"))) is not None:
            try:
                self.limiter.acquire_on_behalf_of_nowait(run.id)
            except anyio.WouldBlock:
                self._backlog.put_back(run)
                return taken
            self._submitting_flow_run_ids.add(run.id)
            self._idle = anyio.Event()
            self._runs.start_soon(self._submit_run, run)
            taken.append(run)
        self._fill_slots_when_due()
        return taken

    def _fill_slots_when_due(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = self._backlog.next_due(now("UTC"))
        if seconds is not None and not self._stopping:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._due.set)

    async def _start_due_runs(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            self._fill_slots()

    def _slot_is_free(self) -> None:
        if not self._submitting_flow_run_ids:
            self._idle.set()
        if not self._fill_slots():
            self._ask_to_poll()

    def _ask_to_poll(self) -> None:
        if not self._stopping and not self._backlog.has_due(now("UTC")):
            self._asked.set()

    async def _poll_when_asked(self) -> None:
        while True:
            await self._asked.wait()
            try:
                await self.get_and_submit_flow_runs()
            except httpx.HTTPError as error:
                self._logger.debug("The API cannot be reached: %r", error)
            await anyio.sleep(MIN_POLL_SECONDS)
            self._asked = anyio.Event()

    # --- one run --------------------------------------------------------------------

    async def _submit_run(self, flow_run: FlowRun) -> None:
        if self._supervisor is None or flow_run.deployment_id is None:
            await super()._submit_run(flow_run)
            return
        try:
            await self._run_warm(flow_run)
        except Exception as error:  # noqa: BLE001 - reported as the run's crash
            self.get_flow_run_logger(flow_run).exception("Failed to submit flow run to a process.")
            message = (
                f"Failed to submit flow run to infrastructure: {type(error).__name__}: {error}"
            )
            await self._propose_crashed_state(flow_run, message)
        finally:
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._released.add(flow_run.id)
            self._release_limit_slot(flow_run.id)
            self._slot_is_free()

    async def _run_warm(self, flow_run: FlowRun) -> None:
        logger = self.get_flow_run_logger(flow_run)
        try:
            deployment = await self._lookups.deployment(flow_run.deployment_id)
        except ObjectNotFound:
            message = f"Deployment {flow_run.deployment_id} no longer exists, cancelled run."
            await self._mark_flow_run_as_cancelled(flow_run, state_updates={"message": message})
            return
        if not await self._take(flow_run):
            return
        logger.info("Worker '%s' submitting flow run '%s'", self.name, flow_run.id)
        flow = await self._lookups.flow(flow_run.flow_id)
        configuration = await self._configure(flow_run, deployment, flow)
        if configuration.needs_own_command:
            await self.run(flow_run, configuration)
            return
        submitted = self._emit_flow_run_submitted_event(configuration)
        plan = plan_run(
            configuration, deployment, related_names(flow_run, flow, deployment, self.work_pool)
        )
        code, pid = await self._warm_runs.execute(flow_run, plan)
        if submitted and code is not None:
            self._emit_flow_run_executed_event(
                WarmWorkerResult(status_code=code, identifier=str(pid)), configuration, submitted
            )

    async def _take(self, flow_run: FlowRun) -> bool:
        """Claim the run. If another worker was faster, what else we know is old, too."""
        if await self._still_scheduled(flow_run) and await self._propose_pending_state(flow_run):
            return True
        self._backlog.clear()
        return False

    async def _still_scheduled(self, flow_run: FlowRun) -> bool:
        """Look again at a run that waited here, for another worker may have run it meanwhile.

        The server refuses Pending for a run that is pending or running, not for one that
        completed without a persisted result.
        """
        if time.monotonic() - self._polled_at < FRESH_SECONDS:
            return True
        # Counting costs the server half of what reading the run does.
        scheduled = {"id": {"any_": [str(flow_run.id)]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
        answer = await self.client.request(
            "POST", "/flow_runs/count", json={"flow_runs": scheduled}
        )
        return bool(answer.json())

    async def _configure(
        self, flow_run: FlowRun, deployment: DeploymentResponse, flow: Flow
    ) -> WarmJobConfiguration:
        pool = copy.deepcopy(self.work_pool)
        of_deployment = copy.deepcopy(deployment.job_variables or {})
        of_run = copy.deepcopy(flow_run.job_variables or {})
        env = {**(of_deployment.get("env") or {}), **(of_run.pop("env", None) or {})}
        values = {**of_deployment, **of_run, **({"env": env} if env else {})}
        resolved: Any = await self.job_configuration.from_template_and_values(
            base_job_template=pool.base_job_template, values=values, client=self.client
        )
        configuration: WarmJobConfiguration = resolved
        configuration.prepare_for_flow_run(
            flow_run, deployment, flow, pool, self.name, worker_id=self.backend_id
        )
        return configuration
