"""What was expected and what was seen, in words for people. Pure."""

from __future__ import annotations

import datetime as dt

from duckherd.checks.kinds import (
    AcceptedValues,
    DistinctCount,
    Expression,
    Freshness,
    Length,
    Matches,
    NotNull,
    NullRatio,
    Range,
    RejectedValues,
    Relationships,
    RowCount,
    Schema,
    Sql,
    Unique,
)
from duckherd.checks.options import CheckOptions, RowOptions

_SHOWN_VALUES = 8


def expectation(options: CheckOptions) -> str:
    """What a check expects, one short text."""
    expected = _expected(options)
    if isinstance(options, RowOptions) and options.max_failures:
        return f"{expected}, at most {options.max_failures} failures"
    return expected


def finding(options: CheckOptions, figure: float | None, *, moment: bool = False) -> str:
    """What was seen: failures of a row check, the figure of any other.

    `moment` says that the figure is seconds since 1970.
    """
    if isinstance(options, RowOptions):
        return _counted(options, int(figure or 0))
    return "no value" if figure is None else _figure(options, figure, moment=moment)


def in_words(seconds: float) -> str:
    """`93780` -> `1d 2h 3m`; under a minute in seconds, the future with a minus."""
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    days, left = divmod(int(left), 86400)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    parts = [f"{days}d" * bool(days), f"{hours}h" * bool(hours), f"{minutes}m" * bool(minutes)]
    return sign + (" ".join(part for part in parts if part) or f"{left}s")


def _expected(options: CheckOptions) -> str:  # noqa: C901, PLR0911  one line a kind
    match options:
        case NotNull():
            return "no nulls"
        case Unique():
            return "no duplicates"
        case AcceptedValues():
            return f"only {_listed(options.values)}"
        case RejectedValues():
            return f"never {_listed(options.values)}"
        case Range():
            return _between(options.min, options.max, exclusive=options.exclusive)
        case Length():
            return f"length {_between(options.min, options.max)}"
        case Matches():
            return f"matches {options.regex}"
        case Expression():
            return options.expression
        case Sql():
            return "no rows"
        case Relationships():
            return f"exists in {options.to}.{options.field}"
        case Schema():
            order = " in this order" if options.ordered else ""
            return f"{'at least ' if options.extra else ''}{len(options.columns)} columns{order}"
        case Freshness():
            return f"at most {options.max_age} old"
    return _between(getattr(options, "min", None), getattr(options, "max", None))


def _counted(options: RowOptions, failures: int) -> str:
    match options:
        case NotNull():
            return _plural(failures, "null")
        case Unique():
            return _plural(failures, "duplicate")
        case Sql():
            return _plural(failures, "row")
    return _plural(failures, "failure")


def _figure(options: CheckOptions, figure: float, *, moment: bool) -> str:
    match options:
        case RowCount():
            return _plural(int(figure), "row")
        case NullRatio():
            return f"{figure * 100:.6g}% null"
        case DistinctCount():
            return _plural(int(figure), "distinct value")
    if moment:
        return f"{options.kind} {dt.datetime.fromtimestamp(figure, dt.UTC):%Y-%m-%d %H:%M:%S}"
    return f"{options.kind} {figure:,.15g}"


def _between(least: object, most: object, *, exclusive: bool = False) -> str:
    if least is not None and least == most:
        return f"exactly {_shown(least)}"
    at_least, at_most = ("more than", "less than") if exclusive else ("at least", "at most")
    sides = [
        f"{word} {_shown(bound)}"
        for word, bound in ((at_least, least), (at_most, most))
        if bound is not None
    ]
    return " and ".join(sides)


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _listed(values: list[bool | int | float | str]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN_VALUES])
    more = len(values) - _SHOWN_VALUES
    return f"{shown} and {more} more" if more > 0 else shown


def _plural(count: int, noun: str) -> str:
    if count == 0:
        return f"no {noun}s"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
