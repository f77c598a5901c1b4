"""The rows one run reads of a table that grows: `lower < cursor <= upper`.

Pure, apart from the one query a caller runs for the upper bound. The upper bound is
fixed at the start, in the snapshot the rows are read in: what arrives later belongs
to the next run, whole ties included.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from duckherd.catalog.model import Table
from duckherd.duration import parse_duration
from duckherd.errors import ParameterError
from duckherd.extract.model import Window
from duckherd.extract.rules import ColumnRule

_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A window whose ends are known.

    Attributes:
        lower: effective, after `lookback`; None from the beginning.
        watermark: what the next run starts from; None where nothing is known yet.
        condition: the rows to read, in the source's dialect; None for all.
    """

    lower: str | None = None
    watermark: str | None = None
    condition: str | None = None


def check_cursor(window: Window, table: Table, rules: Mapping[str, ColumnRule]) -> None:
    """Raises ParameterError where the cursor does not exist or would leak past a mask."""
    if table.column(window.column) is None:
        names = [column.name for column in table.columns]
        near = difflib.get_close_matches(window.column, names, n=3, cutoff=0.5)
        raise ParameterError(
            f"{table.name} has no column {window.column!r} to be the cursor",
            hint=f"nearest: {', '.join(near)}" if near else None,
        )
    rule = rules.get(window.column)
    if rule is not None and rule.mask is not None:
        raise ParameterError(
            f"{table.name}: the cursor {window.column!r} is masked, but its largest value is "
            "written to the table's state",
            hint="choose another cursor or take the mask away",
        )


def newer_than(window: Window, column: str, literal: Callable[[str], str]) -> str | None:
    """Which rows decide the upper bound: those a run without lookback would read."""
    if window.lower is None:
        return None
    return f"{column} {'>=' if window.lower_inclusive else '>'} {literal(window.lower)}"


def bounds(
    window: Window,
    column: str,
    literal: Callable[[str], str],
    newest: Callable[[str | None], str | None],
) -> Bounds:
    """The ends of a window.

    Args:
        window: as asked for.
        column: the cursor as an expression of the source.
        literal: quotes a bound for the source.
        newest: asks for the largest cursor of the rows that meet a condition, as text.
    """
    upper = window.upper
    if upper is None:
        upper = newest(newer_than(window, column, literal)) or window.lower
    lower = window.lower
    if lower is not None and window.lookback:
        lower = before(lower, window.lookback)
    parts = []
    if lower is not None:
        parts.append(f"{column} {'>=' if window.lower_inclusive else '>'} {literal(lower)}")
    if upper is not None:
        parts.append(f"{column} <= {literal(upper)}")
    # Without any bound there is no row with a cursor at all.
    condition = " AND ".join(parts) or "1 = 0"
    if window.nulls:
        condition = f"({condition}) OR {column} IS NULL"
    return Bounds(lower=lower, watermark=upper, condition=condition)


def before(bound: str, lookback: str) -> str:
    """The bound moved back: `1000` for integers, `1h` for dates and times.

    Keeps the form the database prints (a date stays a date, an offset stays). Raises
    ParameterError where lookback and bound do not fit together.
    """
    text = bound.strip()
    if _INTEGER.fullmatch(text):
        if not _INTEGER.fullmatch(lookback.strip()):
            raise ParameterError(
                f"lookback {lookback!r} does not fit a cursor of numbers, at {bound!r} now",
                hint="write it as a number, for example lookback: 1000",
            )
        return str(int(text) - int(lookback))
    try:
        seconds = parse_duration(lookback)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ParameterError(
            f"lookback {lookback!r} cannot be taken from the cursor's {bound!r}",
            hint="write it as 90s, 15m, 1h30m or 2d for dates and times, 1000 for numbers",
        ) from None
    return _earlier(moment, seconds, text)


def _earlier(moment: datetime, seconds: float, text: str) -> str:
    try:
        earlier = moment - timedelta(seconds=seconds)
    except OverflowError:
        earlier = datetime.min.replace(tzinfo=moment.tzinfo)
    if len(text) == len("2024-01-31"):
        # A date is a whole day: any part of a day means reading that day again.
        return date(earlier.year, earlier.month, earlier.day).isoformat()
    return earlier.isoformat(sep="T" if "T" in text else " ")
