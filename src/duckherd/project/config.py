"""What a deployment's entry in `prefect.yaml` may hold: Prefect's keys, every other one refused.

Prefect ignores what it does not know, so that a typo silently changes nothing.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from duckherd.sla.schedule import Schedule as Timing
from duckherd.sla.schedule import zone_of

Strategy = Literal["ENQUEUE", "CANCEL_NEW"]


def _known_zone(name: str) -> str:
    try:
        zone_of(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone, e.g. Europe/Warsaw") from error
    return name


def _fires(cron: str) -> str:
    try:
        fires = Timing(cron=cron).next_after(0.0)
    except Exception as error:
        raise ValueError(f"{cron!r} is not a cron expression: {error}") from error
    if fires is None:
        raise ValueError(f"{cron!r} never fires")
    return cron


def _recurs(rrule: str) -> str:
    from dateutil.rrule import rrulestr

    try:
        rrulestr(rrule)
    except ValueError as error:
        raise ValueError(f"{rrule!r} is not an RRULE: {error}") from error
    return rrule


def _positive(interval: timedelta) -> timedelta:
    if interval <= timedelta(0):
        raise ValueError("an interval is longer than 0 seconds")
    return interval


def _text(value: object) -> object:
    # `version: 1.0` and `- 2024` are numbers to YAML; Prefect stores the text.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number or isinstance(value, date) else value


def _limit(value: object) -> object:
    return {"limit": value} if isinstance(value, int) else value


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleConfig(_Strict):
    """One schedule; exactly one of cron, interval and rrule."""

    cron: Annotated[str, AfterValidator(_fires)] | None = None
    interval: Annotated[timedelta, AfterValidator(_positive)] | None = None
    rrule: Annotated[str, AfterValidator(_recurs)] | None = None
    timezone: Annotated[str, AfterValidator(_known_zone)] | None = None
    anchor_date: datetime | None = None
    active: bool | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    slug: str | None = None
    replaces: str | None = None
    day_or: bool | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> ScheduleConfig:
        given = [kind for kind in ("cron", "interval", "rrule") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(
                "a schedule has exactly one of cron, interval and rrule, not "
                + (" and ".join(given) or "none of them")
            )
        return self


class WorkPoolConfig(_Strict):
    """Where the deployment's runs go."""

    name: str | None = None
    work_queue_name: str | None = None
    job_variables: dict[str, Any] = Field(default_factory=dict)


class ConcurrencyConfig(_Strict):
    """How many runs of the deployment at once, and what becomes of one too many."""

    limit: int | None = Field(default=None, ge=1)
    collision_strategy: Strategy | None = None
    grace_period_seconds: int | None = Field(default=None, ge=60, le=86400)


Steps = list[dict[str, Any]] | dict[str, Any] | None


class DeploymentConfig(_Strict):
    """One item of `deployments`, templates filled in."""

    name: str | None = Field(default=None, pattern=r"^[^/%&><]+$")
    version: Text | None = None
    version_type: str | None = None
    tags: Annotated[list[Text], BeforeValidator(_list)] | None = None
    description: Text | None = None
    schedule: ScheduleConfig | None = None
    schedules: list[ScheduleConfig] | None = None
    paused: bool | None = None
    concurrency_limit: Annotated[ConcurrencyConfig, BeforeValidator(_limit)] | None = None
    flow_name: str | None = None
    entrypoint: str | None = None
    parameters: dict[str, Any] | None = None
    enforce_parameter_schema: bool | None = None
    build: Steps = None
    push: Steps = None
    pull: Steps = None
    work_pool: WorkPoolConfig | None = None
    triggers: list[dict[str, Any]] | None = None
    sla: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _one_spelling(self) -> DeploymentConfig:
        if self.schedule is not None and self.schedules is not None:
            raise ValueError("give schedules or the older schedule, not both")
        return self
