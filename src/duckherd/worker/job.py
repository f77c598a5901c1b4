"""What can be set for a run: work pool template, deployment and run job variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect.settings import Settings, get_current_settings
from prefect.workers.process import ProcessJobConfiguration, ProcessVariables
from pydantic import Field

from duckherd.worker import protocol
from duckherd.worker.process import ProcessKey

if TYPE_CHECKING:
    from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
    from prefect.client.schemas.responses import DeploymentResponse

    from duckherd.worker.attempts import RunPlan

_SET_DIRECTORY = "prefect.deployments.steps.set_working_directory"
_RUN_ONLY = "PREFECT__"
"""Prefix of the variables Prefect sets for one run; all others belong to the process."""

_ISOLATION = (
    "`reuse`: a process with the flow's module already imported takes run after run of the "
    "same environment. `fork`: every run gets a fresh process, forked from one that only "
    "imported. Flows loaded from a script or by pull steps always run as `fork`."
)
_MAX_RUNS = "With `reuse`: replace the process after this many flow runs."
_MAX_MEMORY = "With `reuse`: replace the process after a run that left it above this many MiB."


class WarmJobConfiguration(ProcessJobConfiguration):
    """How one flow run is started."""

    isolation: Literal["reuse", "fork"] = Field(default="reuse", description=_ISOLATION)
    max_runs_per_process: int = Field(default=200, ge=1, description=_MAX_RUNS)
    max_memory_mib: int = Field(default=2048, ge=1, description=_MAX_MEMORY)

    @classmethod
    def _base_environment(cls) -> dict[str, str]:
        return dict(_environment_of(get_current_settings()))

    @property
    def needs_own_command(self) -> bool:
        """Whether the user asked for a command of their own, which a warm process is not."""
        return self._command_configured or _true(
            self.env.get("PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES")
        )


_known_environment: tuple[Settings, dict[str, str]] | None = None


def _environment_of(settings: Settings) -> dict[str, str]:
    # Prefect walks its whole tree of settings for this, which costs more than all else the
    # worker does for a run. They are frozen while it runs.
    global _known_environment
    if _known_environment is None or _known_environment[0] is not settings:
        _known_environment = settings, settings.to_environment_variables(exclude_unset=True)
    return _known_environment[1]


class WarmVariables(ProcessVariables):
    """The job variables of a warm work pool."""

    isolation: Literal["reuse", "fork"] = Field(
        default="reuse", title="Isolation", description=_ISOLATION
    )
    max_runs_per_process: int = Field(
        default=200, ge=1, title="Runs Per Process", description=_MAX_RUNS
    )
    max_memory_mib: int = Field(
        default=2048, ge=1, title="Memory Per Process (MiB)", description=_MAX_MEMORY
    )


def plan_run(
    configuration: WarmJobConfiguration,
    deployment: DeploymentResponse,
    related: tuple[protocol.RelatedName, ...],
) -> RunPlan:
    """Decide what kind of process a run needs and what it is told."""
    from duckherd.worker.attempts import RunPlan
    from duckherd.worker.pool import ProcessSpec

    variables = {name: value for name, value in configuration.env.items() if value is not None}
    module = _module_of(deployment)
    folder = _folder_of(configuration, deployment)
    return RunPlan(
        spec=ProcessSpec(
            key=process_key(variables, folder or (_code_folder(deployment) if module else None)),
            isolation=configuration.isolation if module else "fork",
            max_runs=configuration.max_runs_per_process,
            max_rss_bytes=configuration.max_memory_mib * 2**20,
            preload=module,
        ),
        entrypoint=deployment.entrypoint if module else None,
        working_dir=folder,
        env={name: value for name, value in variables.items() if _is_run_only(name)}
        | {"PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false"},
        stream_output=configuration.stream_output,
        related=related,
    )


def related_names(
    flow_run: FlowRun, flow: Flow, deployment: DeploymentResponse, pool: WorkPool
) -> tuple[protocol.RelatedName, ...]:
    """What the events of a run say of the objects around it."""
    named = protocol.RelatedName
    names = [
        named("flow", str(flow.id), flow.name, tuple(flow.tags)),
        named("deployment", str(deployment.id), deployment.name, tuple(deployment.tags)),
        named("work-pool", str(pool.id), pool.name),
    ]
    if flow_run.work_queue_id and flow_run.work_queue_name:
        names.append(named("work-queue", str(flow_run.work_queue_id), flow_run.work_queue_name))
    return tuple(names)


def _module_of(deployment: DeploymentResponse) -> str | None:
    """The module a flow is imported from if nothing has to be fetched first."""
    entrypoint = deployment.entrypoint or ""
    if ":" in entrypoint or "." not in entrypoint:
        return None
    steps = deployment.pull_steps or []
    if any(set(step) != {_SET_DIRECTORY} or not _directory(step) for step in steps):
        return None
    return entrypoint.rpartition(".")[0]


def _folder_of(configuration: WarmJobConfiguration, deployment: DeploymentResponse) -> str | None:
    if configuration.working_dir:
        return str(configuration.working_dir)
    steps = deployment.pull_steps or [] if _module_of(deployment) else []
    return _directory(steps[-1]) if steps else None


def _directory(step: dict[str, Any]) -> str | None:
    directory = step.get(_SET_DIRECTORY, {}).get("directory")
    if isinstance(directory, str) and "{{" not in directory and Path(directory).is_absolute():
        return directory
    return None


def _code_folder(deployment: DeploymentResponse) -> str | None:
    path = deployment.path
    return path if path and Path(path).is_absolute() and Path(path).is_dir() else None


def _is_run_only(name: str) -> bool:
    return name.startswith(_RUN_ONLY)


def _true(value: str | None) -> bool:
    return (value or "").lower() in {"1", "true", "yes", "on", "t", "y"}


def process_key(variables: dict[str, str], code_dir: str | None) -> ProcessKey:
    """What a run with these variables must have in common with others to share a process."""
    shared = {name: value for name, value in variables.items() if not _is_run_only(name)}
    # The worker has compared the versions; a server that restarts fails no new process.
    shared.setdefault("PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED", "false")
    return ProcessKey.of(shared, code_dir)


def base_environment() -> dict[str, str]:
    """The environment of a run whose job variables set none: the worker's own."""
    settings = WarmJobConfiguration._base_environment()  # noqa: SLF001
    return {
        name: value for name, value in {**os.environ, **settings}.items() if not _is_run_only(name)
    }
