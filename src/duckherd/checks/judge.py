"""Figures into verdicts. Pure: what was measured against what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from duckherd.checks.anomaly import bounds
from duckherd.checks.compile import Probe
from duckherd.checks.drift import schema_differences
from duckherd.checks.kinds import (
    BoundedMetric,
    DistinctCount,
    Freshness,
    NullRatio,
    RowCount,
    Schema,
)
from duckherd.checks.model import Context, Outcome, Verdict
from duckherd.checks.options import MetricOptions, RowOptions, beyond, fraction
from duckherd.checks.phrases import expectation, finding, in_words
from duckherd.checks.sql import is_moment
from duckherd.duration import parse_duration
from duckherd.extract.model import SpoolColumn


@dataclass(frozen=True, slots=True)
class Measured:
    """What the engine found for one probe.

    Attributes:
        values: one for each of the probe's measures.
        count: result of the probe's own query, None where it has none.
        columns: of the table.
        types: type as the user wrote it -> as DuckDB writes it.
    """

    values: tuple[Any, ...] = ()
    count: int | None = None
    columns: tuple[SpoolColumn, ...] = ()
    types: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class _Finding:
    """One expectation held against what was seen; `broken` None: nothing to compare with yet."""

    broken: bool | None
    expected: str
    observed: str


def judge(probe: Probe, measured: Measured, context: Context) -> Verdict:
    """The verdict of one probe, without samples."""
    options = probe.options
    if isinstance(options, RowOptions):
        return _judge_rows(probe, options, measured)
    if isinstance(options, Schema):
        return _judge_schema(probe, options, measured)
    rows = int(measured.values[0])
    if isinstance(options, Freshness):
        figure = _newest(probe, measured.values[1], context)
        found = [_fresh(figure, options, context.now)]
    else:
        assert isinstance(options, MetricOptions)  # noqa: S101  the only other family
        figure = _figure(options, measured.values)
        found = _findings(probe, options, figure, measured.values, context)
    broken = sum(1 for finding in found if finding.broken)
    return _verdict(
        probe,
        _outcome(found),
        rows=rows,
        failures=broken,
        observed="; ".join(dict.fromkeys(finding.observed for finding in found)),
        expected="; ".join(finding.expected for finding in found),
        metric=figure,
    )


def unjudged(probe: Probe, reason: str, outcome: Outcome = "error") -> Verdict:
    """The verdict of a check that could not be judged; `reason` for people."""
    return _verdict(probe, outcome, observed=reason, expected="a check that can be judged")


def _verdict(probe: Probe, outcome: Outcome, **found: Any) -> Verdict:
    return Verdict(
        check=probe.options.kind,
        name=probe.name,
        severity=probe.options.severity,
        outcome=outcome,
        columns=probe.columns,
        sql=probe.failing or "",
        description=probe.options.description,
        **found,
    )


def _judge_rows(probe: Probe, options: RowOptions, measured: Measured) -> Verdict:
    rows = int(measured.values[0])
    if measured.count is not None:
        failures = measured.count
    else:
        failures = int(measured.values[1])
    return _verdict(
        probe,
        "fail" if _too_many(failures, rows, options.max_failures) else "pass",
        rows=rows,
        failures=failures,
        ratio=failures / rows if rows else 0.0,
        observed=finding(options, failures),
        expected=expectation(options),
    )


def _too_many(failures: int, rows: int, allowed: int | str) -> bool:
    return beyond(failures, rows, allowed) if isinstance(allowed, str) else failures > allowed


def _judge_schema(probe: Probe, options: Schema, measured: Measured) -> Verdict:
    differences = schema_differences(options, measured.columns, measured.types)
    return _verdict(
        probe,
        "fail" if differences else "pass",
        failures=len(differences),
        observed="; ".join(differences) or "as agreed",
        expected=expectation(options),
    )


def _outcome(found: Sequence[_Finding]) -> Outcome:
    if any(finding.broken for finding in found):
        return "fail"
    judged = any(finding.broken is False for finding in found)
    return "pass" if judged else "skipped"


def _newest(probe: Probe, found: float | None, context: Context) -> float | None:
    """The newest value, seconds since 1970; of a slice's table also what earlier loads held."""
    earlier = [load.metrics.get(probe.name) for load in context.history] if context.slice else []
    return max((one for one in (found, *earlier) if one is not None), default=None)


def _fresh(newest: float | None, options: Freshness, now: str) -> _Finding:
    expected = f"newest {options.column} at most {options.max_age} old"
    if newest is None:
        return _Finding(broken=True, expected=expected, observed=f"no {options.column} at all")
    age = datetime.fromisoformat(now).timestamp() - newest
    return _Finding(
        broken=age > parse_duration(options.max_age),
        expected=expected,
        observed=f"newest is {in_words(age)} old",
    )


def _figure(options: MetricOptions, values: tuple[Any, ...]) -> float | None:
    rows = int(values[0])
    if isinstance(options, RowCount):
        return float(rows)
    value = values[1]
    if isinstance(options, NullRatio):
        return int(value) / rows if rows else 0.0
    return None if value is None else float(value)


def _findings(
    probe: Probe,
    options: MetricOptions,
    figure: float | None,
    values: tuple[Any, ...],
    context: Context,
) -> list[_Finding]:
    observed = finding(options, figure, moment=is_moment(probe.type))
    found = _bounds(options, figure, values, observed)
    if isinstance(options, RowCount) and options.source is not False:
        found.append(_against_source(options.source, int(values[0]), context.source_rows))
    history = _history(probe, options, context)
    if options.max_drop or options.max_growth:
        found.append(_against_previous(options, figure, history))
    if options.anomaly:
        found.append(_against_history(options, figure, history, observed))
    return found


def _bounds(
    options: MetricOptions, figure: float | None, values: tuple[Any, ...], observed: str
) -> list[_Finding]:
    least, most = getattr(options, "min", None), getattr(options, "max", None)
    if least is None and most is None:
        return []
    if isinstance(options, BoundedMetric):
        below, above = values[2:4]
        # A figure of no values is NULL and has no bounds to break.
        broken = None if below is None or above is None else bool(below or above)
    else:
        assert isinstance(options, RowCount | NullRatio | DistinctCount)  # noqa: S101
        assert figure is not None  # noqa: S101  counts always exist
        broken = (least is not None and figure < _share(least)) or (
            most is not None and figure > _share(most)
        )
    return [_Finding(broken, expectation(options), observed)]


def _share(bound: float | str) -> float:
    return fraction(bound) if isinstance(bound, str) else bound


def _against_source(tolerance: bool | str, rows: int, source_rows: int | None) -> _Finding:
    allowed = tolerance if isinstance(tolerance, str) else "0%"
    expected = "as many rows as the source" + (
        f", at most {allowed} off" if allowed != "0%" else ""
    )
    if source_rows is None:
        return _Finding(None, expected, "the source's rows were not counted")
    return _Finding(
        beyond(abs(rows - source_rows), source_rows, allowed),
        expected,
        f"{rows:,} rows of the source's {source_rows:,}",
    )


def _history(probe: Probe, options: MetricOptions, context: Context) -> list[float]:
    """The figure in earlier loads, newest first."""
    rows_kept = isinstance(options, RowCount) and not options.where
    values = (
        load.metrics.get(probe.name, float(load.rows) if rows_kept else None)
        for load in context.history
    )
    return [value for value in values if value is not None]


def _against_previous(
    options: MetricOptions, figure: float | None, history: Sequence[float]
) -> _Finding:
    limits = [
        f"{word} of at most {limit}"
        for word, limit in (("fall", options.max_drop), ("rise", options.max_growth))
        if limit
    ]
    expected = " and ".join(limits) + " against the previous load"
    if not history or figure is None:
        return _Finding(None, expected, "no previous load to compare with")
    previous = history[0]
    change, size = figure - previous, abs(previous)
    broken = (options.max_drop is not None and beyond(-change, size, options.max_drop)) or (
        options.max_growth is not None and beyond(change, size, options.max_growth)
    )
    relative = f", {change / size:+.1%}" if size else ""
    return _Finding(broken, expected, f"{figure:,.6g} after {previous:,.6g}{relative}")


def _against_history(
    options: MetricOptions, figure: float | None, history: Sequence[float], observed: str
) -> _Finding:
    assert options.anomaly is not None  # noqa: S101  the caller asked
    allowed = bounds(history, options.anomaly)
    if allowed is None or figure is None:
        least = options.anomaly.min_history
        reason = f"{len(history)} of {least} earlier loads needed to tell an anomaly"
        return _Finding(None, "within the bounds of its history", reason)
    return _Finding(not allowed.least <= figure <= allowed.most, allowed.text, observed)
