"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB")


def count(number: float) -> str:
    """1234567 -> `1,234,567`."""
    return f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes in decimal units: 1234567 -> `1.2 MB`."""
    power = 0
    while abs(number) >= 1000 and power < len(_SIZES) - 1:
        number /= 1000
        power += 1
    return f"{number:.0f} B" if power == 0 else f"{number:.1f} {_SIZES[power]}"


def duration(seconds: float) -> str:
    """0.034 -> `34 ms`, 3.21 -> `3.2 s`, 75 -> `1m 15s`, 7380 -> `2h 03m`, 200000 -> `2d 7h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24}h"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """`5.0 s ago`, or `in 5.0 s` for the future; both times carry their zone."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """1, `table` -> `1 table`; 3 -> `3 tables`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
