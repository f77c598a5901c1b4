"""What a check's judgement is, and what it is judged with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Scalar = str | int | float | bool | None
Severity = Literal["error", "warn"]
Outcome = Literal["pass", "fail", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one check of one table.

    Attributes:
        check: kind, e.g. `not_null`.
        name: the user's name or one made from kind and columns; unique within a table.
        columns: columns looked at, lake names; empty for whole-table checks.
        severity: `error` blocks the publish, `warn` does not.
        outcome: `error` means it could not be judged (which blocks like a failure of
            its severity); `skipped` has nothing to compare with yet, e.g. an anomaly bound below
            its minimum of history; the reason is in `observed`.
        rows: rows tested (after `where`).
        failures: rows that failed, or expectations that were broken; a pass within
            `max_failures` keeps its count.
        ratio: failures / rows, 0.0 for no rows.
        observed, expected: short texts for people, e.g. `3 nulls` / `no nulls`.
        samples: up to N failing rows, column -> value as text; masked columns stay masked.
        sql: the failing-rows query, for people to run.
        metric: the number the check is about (row count, sum, ratio ...), None where there is none.
    """

    check: str
    name: str
    severity: Severity
    outcome: Outcome
    columns: tuple[str, ...] = ()
    rows: int = 0
    failures: int = 0
    ratio: float = 0.0
    observed: str = ""
    expected: str = ""
    samples: tuple[Mapping[str, str | None], ...] = ()
    sql: str = ""
    metric: float | None = None
    description: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether this verdict keeps the table from being published."""
        return self.severity == "error" and self.outcome in ("fail", "error")


@dataclass(frozen=True, slots=True)
class Load:
    """Figures of one earlier publish of the same table, for checks that compare.

    Attributes:
        published_at: ISO 8601 UTC.
        rows: rows of that load.
        metrics: verdict name -> its `metric`.
    """

    published_at: str
    rows: int
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks of one run may compare the spool with.

    Attributes:
        table: `schema.name`.
        now: ISO 8601 UTC moment the extraction read (freshness is judged against it).
        history: earlier publishes, newest first.
        source_rows: the source's own count in the same snapshot; None where not asked.
        slice: whether the rows are those above a cursor only, the others being published.
        masked: lake names of masked columns.
        lake: the lake's resolved URL, for `relationships`; None where there is none.
        key: columns that identify a row, lake names; shown with every failing row.
        sample_rows: most failing rows to show for one check.
    """

    table: str
    now: str
    history: tuple[Load, ...] = ()
    source_rows: int | None = None
    slice: bool = False
    masked: frozenset[str] = frozenset()
    lake: str | None = field(default=None, repr=False)
    key: tuple[str, ...] = ()
    sample_rows: int = 5
