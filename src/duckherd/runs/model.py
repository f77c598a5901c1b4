"""A deployment and a flow run as far as running and reporting need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, Self

Outcome = Literal["ok", "failed", "crashed", "cancelled", "running", "queued", "late", "paused"]
"""What a flow run is, in one word; the first four are final."""

_OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "COMPLETED": "ok",
        "FAILED": "failed",
        "CRASHED": "crashed",
        "CANCELLED": "cancelled",
        "CANCELLING": "running",
        "RUNNING": "running",
        "PENDING": "queued",
        "SCHEDULED": "queued",
        "PAUSED": "paused",
    }
)

_PREFIXES = ("Flow run encountered an exception: ", "Task run encountered an exception: ")


@dataclass(frozen=True, slots=True)
class TableDeployment:
    """A deployment of `ingest-table` on the server.

    Attributes:
        table: `schema.name` in the source.
        work_pool: None where the deployment has none and so never runs.
        paused: whether its schedules are.
        cursor: column that grows with every change, None where there is none.
        updated: when it was changed last, ISO 8601 UTC as the server writes it.
    """

    id: str
    name: str
    table: str | None
    tags: tuple[str, ...] = ()
    work_pool: str | None = None
    paused: bool = False
    cursor: str | None = None
    updated: str = ""

    @classmethod
    def from_api(cls, answer: Mapping[str, Any]) -> Self:
        """Read an item of `POST /deployments/filter`."""
        parameters = answer.get("parameters") or {}
        return cls(
            id=answer["id"],
            name=answer["name"],
            table=parameters.get("table"),
            cursor=parameters.get("cursor"),
            tags=tuple(answer.get("tags") or ()),
            work_pool=answer.get("work_pool_name"),
            paused=bool(answer.get("paused")),
            updated=answer.get("updated") or "",
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A flow run.

    Attributes:
        state: Prefect's state type, e.g. `COMPLETED`; state_name: its name, e.g. `ChecksFailed`.
        message: of the state, None where it has none.
        since: when it entered that state.
        expected: when it should start; start, end: when it did, None before.
        backfill: range of the cursor it reads again, as in its parameters; None for none.
        labels: ours begin with `duckherd.`, see `duckherd.run_record`.
    """

    id: str
    name: str
    deployment_id: str | None
    state: str
    state_name: str
    message: str | None = None
    since: datetime | None = None
    expected: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    backfill: Mapping[str, Any] | None = None
    labels: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_api(cls, answer: Mapping[str, Any]) -> Self:
        """Read an item of `POST /flow_runs/filter`."""
        state = answer.get("state") or {}
        return cls(
            id=answer["id"],
            name=answer["name"],
            deployment_id=answer.get("deployment_id"),
            state=answer.get("state_type") or "SCHEDULED",
            state_name=answer.get("state_name") or "Scheduled",
            message=state.get("message"),
            since=_moment(state.get("timestamp")),
            expected=_moment(answer.get("expected_start_time")),
            start=_moment(answer.get("start_time")),
            end=_moment(answer.get("end_time")),
            backfill=(answer.get("parameters") or {}).get("backfill"),
            labels=answer.get("labels") or {},
        )

    @property
    def outcome(self) -> Outcome:
        """What it is, in one word."""
        if self.state == "SCHEDULED" and self.state_name == "Late":
            return "late"
        return _OUTCOMES.get(self.state, "queued")

    @property
    def over(self) -> bool:
        """Whether its state is final."""
        return self.outcome in {"ok", "failed", "crashed", "cancelled"}

    @property
    def rows(self) -> int | None:
        """Rows read, None where not known."""
        rows = self.labels.get("duckherd.rows")
        return int(rows) if isinstance(rows, int | float) else None

    @property
    def seconds(self) -> float | None:
        """From its start to its end, None before either."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None

    @property
    def reason(self) -> str:
        """Why it did not go well, on one line; empty where it did."""
        if self.outcome in {"ok", "running", "queued"}:
            return ""
        lines = (self.message or "").strip().splitlines()
        text = lines[0] if lines else self.state_name
        for prefix in _PREFIXES:
            text = text.removeprefix(prefix)
        return " ".join(text.split())


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
