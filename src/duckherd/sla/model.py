"""Records of objectives: runs and deployment versions in, judged slots out."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from duckherd.sla.objective import Objective
from duckherd.sla.schedule import Instant, Schedule

FAILED_STATES = frozenset({"FAILED", "CRASHED", "CANCELLED"})
ACTIVE_STATES = frozenset({"SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"})


class Outcome(enum.StrEnum):
    """What became of a slot. Order: worst first, as the report sorts."""

    FAILED = "failed"
    """It ran, did not publish, and the last attempt failed, crashed or was cancelled."""
    CHECK_FAILED = "check-failed"
    """Its last attempt was stopped by blocking checks."""
    MISSING = "missing"
    """Nothing ran: the run was never created, never started or cancelled before it started."""
    STALE = "stale"
    """Published in time, but the data itself was older than the freshness promised."""
    LATE = "late"
    """Published after the deadline, or still running when it passed."""
    RETRIED = "retried-then-good"
    """Good, but not at the first attempt."""
    GOOD = "good"
    """Published before the deadline, blocking checks passed."""
    OPEN = "open"
    """Not published yet and its deadline is still ahead: not counted."""
    EXCLUDED = "excluded"
    """Not counted; `reason` says why."""

    @property
    def is_good(self) -> bool:
        """Counts as good."""
        return self is Outcome.GOOD or self is Outcome.RETRIED  # asked a million times a report

    @property
    def is_valid(self) -> bool:
        """Counts at all."""
        return self is not Outcome.OPEN and self is not Outcome.EXCLUDED

    @property
    def is_bad(self) -> bool:
        """Counts as a miss."""
        return self.is_valid and not self.is_good


@dataclass(frozen=True, slots=True)
class Run:
    """A flow run as objectives see it.

    Attributes:
        scheduled: the schedule's time it was created for; None for a manual run.
        state: Prefect's state type, upper case; state_name its name.
        attempts: how often it entered Running.
        start: when it first entered Running; None when it never did.
        end: when it reached its final state; None before.
        published: when its version became visible in the lake; None when it did not.
        data_until: upper edge of the data it read; None where not known.
        backfill: it read a range again instead of what is new.
    """

    id: str
    state: str
    state_name: str = ""
    scheduled: Instant | None = None
    attempts: int = 0
    start: Instant | None = None
    end: Instant | None = None
    published: Instant | None = None
    data_until: Instant | None = None
    backfill: bool = False

    @property
    def fresh_until(self) -> Instant:
        """Upper edge of its data; its start where the run did not say."""
        return self.data_until if self.data_until is not None else (self.start or 0.0)

    @property
    def checks_failed(self) -> bool:
        """Blocking checks stopped it."""
        return self.state_name == "ChecksFailed"


@dataclass(frozen=True, slots=True)
class Version:
    """What a deployment said from `since` until its next version."""

    since: Instant
    schedules: tuple[Schedule, ...] = ()
    paused: bool = False
    objective: Objective | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A table's deployment through time.

    Attributes:
        versions: ascending by `since`.
        deleted: when the deployment was removed; None while it exists.
    """

    name: str
    versions: tuple[Version, ...] = ()
    deleted: Instant | None = None

    @property
    def current(self) -> Version:
        """The newest version."""
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class Slot:
    """One scheduled time of one table, judged.

    Attributes:
        deadline: when it had to be published.
        day: ordinal (`date.toordinal`) of the scheduled day in the schedule's time zone.
        run: id of the run that published, else of the last attempt; None when nothing ran.
        published: when the data it asked for was published; None if it was not.
        attempts: executions made for it, retries included.
        reason: why it is excluded; empty otherwise.
    """

    table: str
    time: Instant
    deadline: Instant
    day: int
    outcome: Outcome
    run: str | None = None
    published: Instant | None = None
    attempts: int = 0
    reason: str = ""

    @property
    def time_to_data(self) -> float | None:
        """Seconds from the scheduled time to the publish."""
        return None if self.published is None else self.published - self.time

    @property
    def lateness(self) -> float:
        """Seconds published after the deadline; 0 when in time or not published."""
        return max(0.0, self.published - self.deadline) if self.published is not None else 0.0
