"""A deployment as Prefect's server stores it, the same whether read from the file or the server.

Both sides are normalised here, so that a plan made after an apply is empty: defaults are
filled in, order that means nothing is dropped, and what belongs to people stays theirs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

_PREFECT_START = "DTSTART:20200101T000000\n"
"""What Prefect's client puts before a recurrence rule that says no start."""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule of a deployment; exactly one of cron, interval and rrule is set.

    Attributes:
        interval: seconds.
        timezone: IANA name; None means UTC, as Prefect reads it.
        anchor: ISO 8601 UTC moment an interval counts from; None leaves it to the server.
        active: None leaves it to people: the server's value stays, a new schedule is active.
    """

    cron: str | None = None
    day_or: bool = True
    interval: float | None = None
    anchor: str | None = None
    rrule: str | None = None
    timezone: str | None = None
    active: bool | None = None
    parameters: Mapping[str, Any] = field(default_factory=_nothing)
    slug: str | None = None

    @classmethod
    def from_api(cls, answer: Mapping[str, Any]) -> Schedule:
        """Read an item of a deployment's `schedules` as the server gives it."""
        spec = answer["schedule"]
        rule = spec.get("rrule")
        return cls(
            cron=spec.get("cron"),
            day_or=spec.get("day_or", True),
            interval=spec.get("interval"),
            anchor=utc_text(spec["anchor_date"]) if spec.get("anchor_date") else None,
            rrule=plain_rule(rule) if rule else None,
            timezone=spec.get("timezone"),
            active=answer["active"],
            parameters=answer.get("parameters") or {},
            slug=answer.get("slug"),
        )

    def to_api(self) -> dict[str, Any]:
        """An item of `schedules` as Prefect's own client sends it."""
        return {
            "schedule": self._spec(),
            "active": self.active is not False,
            "parameters": dict(self.parameters),
            "slug": self.slug,
        }

    def _spec(self) -> dict[str, Any]:
        if self.cron is not None:
            return {"cron": self.cron, "timezone": self.timezone, "day_or": self.day_or}
        if self.interval is not None:
            anchor = {"anchor_date": self.anchor} if self.anchor else {}
            return {"interval": self.interval, "timezone": self._zone, **anchor}
        start = "" if "DTSTART" in str(self.rrule) else _PREFECT_START
        return {"rrule": f"{start}{self.rrule}", "timezone": self._zone}

    @property
    def _zone(self) -> str:
        return self.timezone or "UTC"

    def same_as(self, other: Schedule) -> bool:
        """Whether both mean the same; what this one leaves open is equal to anything."""
        there = replace(
            other,
            active=other.active if self.active is not None else None,
            anchor=other.anchor if self.anchor is not None else None,
            timezone=other._zone,
        )
        return replace(self, timezone=self._zone) == there

    def completed(self, other: Schedule) -> Schedule:
        """This schedule with what it leaves open taken from the server's."""
        return replace(
            self,
            active=other.active if self.active is None else self.active,
            anchor=other.anchor if self.anchor is None else self.anchor,
        )

    def __str__(self) -> str:
        if self.interval is not None:
            text = f"every {_spoken(self.interval)}"
        else:
            text = f"{self.cron or self.rrule} {self._zone}"
        return f"{text} (paused)" if self.active is False else text


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment is, apart from its id and its history.

    Attributes:
        tags: sorted, without duplicates, as Prefect treats them.
        schedules: in the order of the file.
        paused: None leaves it to people.
        work_queue: None is the pool's default queue.
        concurrency_options: `collision_strategy` and, where set, `grace_period_seconds`.
        parameter_schema: what the Prefect UI makes its form of.
        version: the user's, or a hash of the rest.
    """

    name: str
    flow_name: str
    entrypoint: str
    work_pool: str | None
    work_queue: str | None = None
    job_variables: Mapping[str, Any] = field(default_factory=_nothing)
    parameters: Mapping[str, Any] = field(default_factory=_nothing)
    tags: tuple[str, ...] = ()
    description: str | None = None
    schedules: tuple[Schedule, ...] = ()
    paused: bool | None = None
    concurrency_limit: int | None = None
    concurrency_options: Mapping[str, Any] | None = None
    enforce_parameter_schema: bool = True
    pull_steps: tuple[Any, ...] = ()
    parameter_schema: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    version: str | None = None

    @classmethod
    def from_api(
        cls, answer: Mapping[str, Any], flow_name: str, default_queues: Mapping[str, str]
    ) -> Deployment:
        """Read a deployment as the server gives it.

        Args:
            answer: an item of `POST /deployments/filter`.
            flow_name: of its `flow_id`.
            default_queues: work pool name -> id of its default queue.
        """
        pool = answer.get("work_pool_name")
        limit = answer.get("global_concurrency_limit") or {}
        is_default = answer.get("work_queue_id") == default_queues.get(str(pool))
        return cls(
            name=answer["name"],
            flow_name=flow_name,
            entrypoint=answer.get("entrypoint") or "",
            work_pool=pool,
            work_queue=None if is_default else answer.get("work_queue_name"),
            job_variables=answer.get("job_variables") or {},
            parameters=answer.get("parameters") or {},
            tags=tuple(sorted(set(answer.get("tags") or ()))),
            description=answer.get("description"),
            schedules=tuple(map(Schedule.from_api, answer.get("schedules") or ())),
            paused=answer.get("paused"),
            concurrency_limit=limit.get("limit"),
            concurrency_options=options_of(answer.get("concurrency_options")),
            enforce_parameter_schema=answer.get("enforce_parameter_schema", True),
            pull_steps=tuple(answer.get("pull_steps") or ()),
            parameter_schema=answer.get("parameter_openapi_schema") or {},
            version=answer.get("version"),
        )

    def to_api(self, flow_id: str) -> dict[str, Any]:
        """The body of `POST /deployments/`, which creates or replaces."""
        switch = {} if self.paused is None else {"paused": self.paused}
        return {
            "flow_id": flow_id,
            "name": self.name,
            "version": self.version,
            "entrypoint": self.entrypoint,
            "path": None,
            "work_pool_name": self.work_pool,
            "work_queue_name": self.work_queue,
            "job_variables": dict(self.job_variables),
            "parameters": dict(self.parameters),
            "tags": list(self.tags),
            "description": self.description,
            "schedules": [schedule.to_api() for schedule in self.schedules],
            "concurrency_limit": self.concurrency_limit,
            "concurrency_options": self.concurrency_options,
            "enforce_parameter_schema": self.enforce_parameter_schema,
            "parameter_openapi_schema": dict(self.parameter_schema),
            "pull_steps": list(self.pull_steps),
            **switch,
        }

    def with_version(self) -> Deployment:
        """The same with `sha-` and 12 hex digits of its content, unless it has a version."""
        return self if self.version else replace(self, version=f"sha-{self._digest()[:12]}")

    def _digest(self) -> str:
        # Without the schema, which changes with duckherd's release, not with the definition.
        content = {
            part.name: getattr(self, part.name)
            for part in fields(self)
            if part.name not in {"parameter_schema", "version"}
        }
        text = json.dumps(content, sort_keys=True, default=_jsonable, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _spoken(seconds: float) -> str:
    units = (("d", 86400), ("h", 3600), ("m", 60))
    unit, size = next((each for each in units if seconds % each[1] == 0), ("s", 1))
    return f"{seconds / size:g}{unit}"


def options_of(options: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Concurrency options without the ones that are not set."""
    return {key: value for key, value in options.items() if value is not None} if options else None


def utc_text(moment: str | datetime) -> str:
    """An ISO 8601 text in UTC; a moment without zone is UTC."""
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()


def plain_rule(rrule: str) -> str:
    """A recurrence rule without the start and the prefix that Prefect adds."""
    return rrule.removeprefix(_PREFECT_START).removeprefix("RRULE:")


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return {part.name: getattr(value, part.name) for part in fields(value)}
