"""Intervals of a cursor, and which stored slices a new one replaces. Pure.

A bound is text as the source prints it. To compare two of them they are read as a
number, a timestamp, a date or a binary counter (`0x...`), whichever both are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from duckherd.errors import LakeError
from duckherd.lake.model import Bounds, LakeObject
from duckherd.lake.naming import encode

_TIME = re.compile(
    r"(\d{4,}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$")

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # compared with times without a zone only

Cut = tuple[int, Any, int]
"""A place between values: -1 before all, 1 after all; else 0, the value, 0 before or 1 after it."""

_LONGEST = 200
"""Characters of a slice's name."""

_START: Cut = (-1, 0, 0)
_END: Cut = (1, 0, 0)


def _ordinal(text: str) -> tuple[str, Any]:
    """Kind and comparable value of a bound."""
    if _NUMBER.match(text):
        return "number", Decimal(text)
    if re.match(r"0[xX][0-9a-fA-F]+$", text):
        return "binary", int(text, 16)
    if text.lstrip("-") == "infinity":
        return "time", (-1 if text.startswith("-") else 1, _EPOCH, Decimal(0))
    match = _TIME.match(text)
    if match is None:
        return "text", text
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}{match[4] or ''}")
    except ValueError:
        return "text", text
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return "time", (0, moment, Decimal(match[3] or 0))


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of a cursor; None as a bound means without end on that side."""

    lower: str | None
    upper: str | None
    bounds: Bounds = "(]"

    @property
    def start(self) -> Cut:
        """Right before the first value inside."""
        if self.lower is None:
            return _START
        return (0, _ordinal(self.lower), 0 if self.bounds[0] == "[" else 1)

    @property
    def end(self) -> Cut:
        """Right after the last value inside."""
        if self.upper is None:
            return _END
        return (0, _ordinal(self.upper), 1 if self.bounds[1] == "]" else 0)

    @property
    def is_empty(self) -> bool:
        """Whether no value lies inside."""
        return self.end <= self.start

    @property
    def name(self) -> str:
        """The slice's file name without its suffix; tells the interval, safe on every store."""
        low = "after" if self.bounds[0] == "(" else "from"
        high = "to" if self.bounds[1] == "]" else "before"
        first = "start" if self.lower is None else f"{low}-{_safe(self.lower)}"
        last = "end" if self.upper is None else f"{high}-{_safe(self.upper)}"
        return _bounded(f"{first}__{last}")

    @property
    def kinds(self) -> frozenset[str]:
        """What its bounds are read as."""
        return frozenset(_ordinal(text)[0] for text in (self.lower, self.upper) if text is not None)

    def covers(self, other: Interval) -> bool:
        """Whether every value of `other` lies inside."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Interval) -> bool:
        """Whether some value may lie in both."""
        return max(self.start, other.start) < min(self.end, other.end)

    def without(self, other: Interval) -> tuple[Interval, ...]:
        """What is left of this one outside an overlapping `other`: none, one or two parts."""
        parts = []
        if self.start < other.start:
            bounds = self.bounds[0] + (")" if other.bounds[0] == "[" else "]")
            parts.append(Interval(self.lower, other.lower, _bounds(bounds)))
        if other.end < self.end:
            bounds = ("[" if other.bounds[1] == ")" else "(") + self.bounds[1]
            parts.append(Interval(other.upper, self.upper, _bounds(bounds)))
        return tuple(parts)


def _bounds(text: str) -> Bounds:
    assert text in ("(]", "[]", "()", "[)")  # noqa: S101  # narrows the type
    return text  # type: ignore[return-value]


def _safe(bound: str) -> str:
    if _ordinal(bound)[0] == "time":
        bound = bound.replace(" ", "T", 1)
    return encode(bound).replace("/", "")


def _bounded(name: str) -> str:
    """A name no longer than a file's may be; a long one ends in a hash of the whole."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 18]}--{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def interval_of(item: LakeObject) -> Interval:
    """The interval an object holds; an object without one holds everything."""
    lower, upper = item.slice or (None, None)
    return Interval(lower, upper, item.bounds)


def sorted_apart(
    objects: Iterable[LakeObject], new: Interval
) -> tuple[tuple[LakeObject, ...], tuple[LakeObject, ...]]:
    """Objects that a new slice leaves alone, and those it overlaps.

    An object without rows gives way to any slice. Raises LakeError for bounds that
    cannot be compared.
    """
    kept: list[LakeObject] = []
    hit: list[LakeObject] = []
    for item in objects:
        old = interval_of(item)
        if len(old.kinds | new.kinds) > 1:
            raise LakeError(
                f"the slice {new.name} cannot be compared with {item.path}: the cursor changed "
                "its type",
                hint="publish the table once with mode: replace, then append again",
            )
        (hit if item.rows == 0 or old.overlaps(new) else kept).append(item)
    return tuple(kept), tuple(hit)
