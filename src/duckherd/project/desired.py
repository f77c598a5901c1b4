"""From an entry of `prefect.yaml` to the deployment the server should hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from duckherd.project.config import ConcurrencyConfig, DeploymentConfig, ScheduleConfig
from duckherd.project.deployment import Deployment, Schedule, options_of, plain_rule, utc_text
from duckherd.project.file import Entry
from duckherd.project.flows import FlowFacts
from duckherd.project.jsonable import plain
from duckherd.project.templates import fill, templates, variable_name


def why_left(entry: Entry, actions: Mapping[str, Any]) -> str | None:
    """Why a deployment is left to `prefect deploy`; None where plan and apply handle it.

    Args:
        entry: of the file.
        actions: the file's own `build`, `push` and `pull`.
    """
    config = entry.config
    for step in ("build", "push"):
        if entry.raw.get(step, actions.get(step)):
            return f"it has {step} steps, which prefect deploy runs"
    for key in ("triggers", "sla"):
        if getattr(config, key):
            return f"it has {key}"
    if ":" in str(config.entrypoint):
        return "its entrypoint is a file, which Prefect must be told how to pull"
    unknown = [name for name in templates(entry.raw) if variable_name(name) is None]
    return f"only prefect deploy fills in {{{{ {unknown[0]} }}}}" if unknown else None


def desired(
    entry: Entry,
    actions: Mapping[str, Any],
    facts: FlowFacts,
    variable: Callable[[str], Any] = lambda _: None,
) -> Deployment:
    """The deployment an entry asks for, versioned.

    Args:
        entry: one that `why_left` does not leave.
        actions: the file's own `build`, `push` and `pull`.
        facts: of the entry's flow.
        variable: value of a Prefect variable of that name.
    """
    config = _filled(entry, variable)
    pool = config.work_pool
    limit = config.concurrency_limit or ConcurrencyConfig()
    return Deployment(
        name=entry.name,
        flow_name=facts.name,
        entrypoint=config.entrypoint or "",
        work_pool=pool.name if pool else None,
        work_queue=pool.work_queue_name if pool else None,
        job_variables=plain(pool.job_variables if pool else {}),
        parameters=plain(config.parameters or {}),
        tags=tuple(sorted(set(config.tags or ()))),
        description=config.description or facts.description,
        schedules=schedules_of(config),
        paused=config.paused,
        concurrency_limit=limit.limit,
        concurrency_options=_options(limit),
        enforce_parameter_schema=config.enforce_parameter_schema is not False,
        pull_steps=tuple(plain(_pull(entry, actions))),
        parameter_schema=facts.parameter_schema,
        version=config.version,
    ).with_version()


def schedules_of(config: DeploymentConfig) -> tuple[Schedule, ...]:
    """The schedules of an entry, in its order; `schedule` is the older spelling of one."""
    if config.schedule is not None:
        return (_schedule(config.schedule),)
    return tuple(_schedule(each) for each in config.schedules or ())


def _filled(entry: Entry, variable: Callable[[str], Any]) -> DeploymentConfig:
    if not any(True for _ in templates(entry.raw)):
        return entry.config

    def value_of(template: str) -> Any:
        name = variable_name(template)
        return None if name is None else variable(name)

    return DeploymentConfig.model_validate(fill(dict(entry.raw), value_of))


def _schedule(config: ScheduleConfig) -> Schedule:
    interval = config.interval
    return Schedule(
        cron=config.cron,
        day_or=config.day_or is not False,
        interval=None if interval is None else interval.total_seconds(),
        anchor=utc_text(config.anchor_date) if config.anchor_date else None,
        rrule=plain_rule(config.rrule) if config.rrule else None,
        timezone=config.timezone,
        active=config.active,
        parameters=plain(config.parameters),
        slug=config.slug,
    )


def _options(limit: ConcurrencyConfig) -> Mapping[str, Any] | None:
    if limit.collision_strategy is None:
        return None
    return options_of(
        {
            "collision_strategy": limit.collision_strategy,
            "grace_period_seconds": limit.grace_period_seconds,
        }
    )


def _pull(entry: Entry, actions: Mapping[str, Any]) -> list[Any]:
    # A module path needs no pull step; Prefect's default, the folder `prefect deploy` was
    # called in, would tie the deployment to that machine.
    steps = entry.raw.get("pull", actions.get("pull")) or []
    return [steps] if isinstance(steps, dict) else list(steps)
