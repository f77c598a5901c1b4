"""Charts as small SVG texts. Pure; every text that is not ours is escaped.

Outcomes are drawn by shape as well as colour; the symbols are defined once a page
(`symbols`) and used by reference, so a table's ninety days cost about a hundred bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from duckherd.sla.model import Outcome

PITCH = 8
"""Width of a day, in SVG units."""
HEIGHT = 16

CODES: dict[Outcome, str] = {
    Outcome.FAILED: "f",
    Outcome.CHECK_FAILED: "c",
    Outcome.MISSING: "m",
    Outcome.STALE: "s",
    Outcome.LATE: "l",
    Outcome.RETRIED: "r",
    Outcome.GOOD: "g",
    Outcome.OPEN: "o",
    Outcome.EXCLUDED: "x",
}
"""Outcome -> id of its symbol."""

_SHAPES: dict[str, str] = {
    "f": '<path class="f" d="M0 2h7v12h-7z"/><path class="k" d="M1.5 5.5l4 5m0-5l-4 5"/>',
    "c": '<path class="c" d="M3.5 2l3.5 6-3.5 6-3.5-6z"/>',
    "m": '<rect class="m" x=".75" y="2.75" width="5.5" height="10.5"/>',
    "s": '<path class="s" d="M0 2h7v6h-7z"/><path class="g" d="M0 9h7v5h-7z"/>',
    "l": '<path class="l" d="M3.5 2l3.5 12h-7z"/>',
    "r": '<path class="g" d="M0 5h7v6h-7z"/><circle class="k2" cx="3.5" cy="8" r="1.6"/>',
    "g": '<path class="g" d="M0 5h7v6h-7z"/>',
    "o": '<circle class="o" cx="3.5" cy="8" r="1.5"/>',
    "x": '<path class="x" d="M1 8h5"/>',
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of a table: its worst outcome (None: nothing was due), and what to say of it.

    Attributes:
        href: where what happened is told; None for days that need no telling.
    """

    outcome: Outcome | None
    title: str = ""
    href: str | None = None


def symbols() -> str:
    """The definitions every bar and calendar of a page refers to."""
    shapes = "".join(f'<g id="{code}">{shape}</g>' for code, shape in _SHAPES.items())
    good = _SHAPES["g"]
    pattern = (
        f'<pattern id="gs" width="8" height="16" patternUnits="userSpaceOnUse">{good}</pattern>'
    )
    return (
        '<svg width="0" height="0" aria-hidden="true" style="position:absolute">'
        f"<defs>{pattern}{shapes}{_weekdays()}</defs></svg>"
    )


def _weekdays() -> str:
    """Names of a calendar's rows, left of it."""
    names = (
        f'<text x="-6" y="{row * HEIGHT + 12}">{name}</text>'
        for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun"))
    )
    return f'<g id="wd" class="wd">{"".join(names)}</g>'


def symbol(outcome: Outcome) -> str:
    """One symbol, for legends and lists."""
    use = f'<use href="#{CODES[outcome]}"/>'
    return f'<svg class="sym" viewBox="-.5 0 8 16" aria-hidden="true">{use}</svg>'


def bar(cells: Sequence[Cell], label: str, name: str) -> str:
    """Days from left to right; `name` is its id, by which `again` draws it once more."""
    parts: list[str] = []
    position = 0
    for outcome, run in groupby(cells, key=lambda cell: cell.outcome):
        days = list(run)
        if outcome is Outcome.GOOD:
            parts.append(_good(position, len(days)))
        else:
            parts += [_placed(cell, position + i) for i, cell in enumerate(days)]
        position += len(days)
    # Links inside an image are hidden from screen readers, those inside a group are not.
    role = "group" if any(cell.href for cell in cells) else "img"
    head = f'<svg class="bar" role="{role}" aria-label="{escape(label)}">'
    return f'{head}<g id="{escape(name)}">{"".join(parts)}</g></svg>'


def again(name: str) -> str:
    """The bar of that id once more, without its links."""
    return f'<svg class="bar" aria-hidden="true"><use href="#{escape(name)}"/></svg>'


def _good(position: int, days: int) -> str:
    start = f' x="{position * PITCH}"' if position else ""
    return f'<rect{start} width="{days * PITCH - 1}"/>'


def _placed(cell: Cell, position: int) -> str:
    if cell.outcome is None:
        return ""
    use = f'<use href="#{CODES[cell.outcome]}" x="{position * PITCH}"/>'
    if cell.href is None:
        return use
    title = f"<title>{escape(cell.title)}</title>" if cell.title else ""
    return f'<a href="{escape(cell.href)}">{title}{use}</a>'


def calendar(cells: Sequence[Cell], weekday: int) -> str:
    """The same days as weeks (columns) by weekdays (rows, Monday first).

    `weekday` is that of the first day, Monday is 0.
    """
    parts: list[str] = []
    place = weekday
    for outcome, run in groupby(cells, key=lambda cell: cell.outcome):
        days = len(list(run))
        if outcome is Outcome.GOOD:
            parts += [_block(*block) for block in _blocks(place, days)]
        elif outcome is not None:
            parts += [_day(CODES[outcome], place + day) for day in range(days)]
        place += days
    return f'<svg class="cal" aria-hidden="true"><use href="#wd"/>{"".join(parts)}</svg>'


def _blocks(place: int, days: int) -> Iterator[tuple[int, int, int, int]]:
    """Rectangles (column, row, columns, rows) that cover consecutive days."""
    while days:
        column, row = divmod(place, 7)
        weeks = days // 7 if row == 0 else 0
        taken = 7 * weeks if weeks else min(7 - row, days)
        yield (column, row, weeks, 7) if weeks else (column, row, 1, taken)
        place += taken
        days -= taken


def _block(column: int, row: int, columns: int, rows: int) -> str:
    x = f' x="{column * PITCH}"' if column else ""
    y = f' y="{row * HEIGHT}"' if row else ""
    return f'<rect{x}{y} width="{columns * PITCH - 1}" height="{rows * HEIGHT}"/>'


def _day(code: str, place: int) -> str:
    column, row = divmod(place, 7)
    return f'<use href="#{code}" x="{column * PITCH}" y="{row * HEIGHT}"/>'


def axis(days: int, ticks: Iterable[tuple[int, str]]) -> str:
    """Dates over a column of bars; ticks are (day index, text)."""
    marks = "".join(
        f'<path d="M{day * PITCH} 10v6"/><text x="{day * PITCH + 3}" y="11">{escape(text)}</text>'
        for day, text in ticks
    )
    head = f'<svg class="axis" aria-hidden="true" width="{days * PITCH}" height="16">'
    return f'{head}<g id="ax" class="ax">{marks}</g></svg>'


def axis_again() -> str:
    """The same dates once more, for another bar of the page."""
    return '<svg class="axis" aria-hidden="true"><use href="#ax"/></svg>'


def sparkline(values: Sequence[float], width: int = 120, height: int = 24) -> str:
    """A line through the values, its last point marked."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1
    step = (width - 6) / (len(values) - 1)
    points = [
        (3 + i * step, 3 + (height - 6) * (1 - (value - low) / span))
        for i, value in enumerate(values)
    ]
    line = "L".join(f"{x:.0f} {y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f'<svg class="spark" aria-hidden="true" width="{width}" height="{height}">'
        f'<path d="M{line}"/><circle cx="{x:.0f}" cy="{y:.1f}" r="2.5"/></svg>'
    )


def meter(share: float) -> str:
    """A bar filled to `share`; beyond 1 it is full, and a tick marks where the budget ended."""
    width = 160.0
    scale = max(share, 1.0)
    full = width * min(share, scale) / scale
    end = width / scale
    over = f'<rect class="over" x="{end:.1f}" width="{max(full - end, 0):.1f}" height="10"/>'
    return (
        '<svg class="meter" aria-hidden="true" width="160" height="14" viewBox="0 -2 160 14">'
        f'<rect class="track" width="{end:.1f}" height="10"/>'
        f'<rect class="fill" width="{min(full, end):.1f}" height="10"/>{over}'
        f'<path class="end" d="M{end:.1f} -2v14"/></svg>'
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart: its value, a second one drawn inside it, and its names.

    Attributes:
        label: below it; title: all of it in words; told: above it.
    """

    value: float
    inner: float | None
    label: str
    title: str
    kind: str = ""
    told: str = ""


def columns(
    bars: Sequence[Column], label: str, *, scale: str = "", marker: int | None = None
) -> str:
    """A column chart; `scale`: what its highest column is; `marker`: a line before that column.

    Its name for screen readers holds all it shows: the title of each column.
    """
    pitch, height = 100 / max(len(bars), 1), 120.0
    # Values told above the columns need room there.
    room = 0.86 if any(one.told for one in bars) else 0.92
    top = (max((one.value for one in bars), default=0) or 1.0) / room
    parts = []
    for index, one in enumerate(bars):
        x = index * pitch
        parts.append(_column(one, x, pitch, height, top))
        if one.label:
            parts.append(
                f'<text x="{x + pitch / 2:.2f}%" y="{height + 16:g}">{escape(one.label)}</text>'
            )
    if marker is not None:
        x = marker * pitch
        parts.append(f'<line class="mark" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{height:g}"/>')
    if scale:
        y = f"{height * 0.08:.1f}"
        parts.append(f'<line class="floor" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="scale" x="0" y="{height * 0.08 - 4:.1f}">{escape(scale)}</text>'
        )
    floor = f'<line class="floor" x1="0" x2="100%" y1="{height:g}" y2="{height:g}"/>'
    name = ". ".join([label, *(one.title for one in bars if one.value)])
    return (
        f'<svg class="cols" role="img" aria-label="{escape(name)}" width="100%" '
        f'height="{height + 22:g}">{"".join(parts)}{floor}</svg>'
    )


def _column(one: Column, x: float, pitch: float, height: float, top: float) -> str:
    gap = min(pitch * 0.12, 1.0)
    drawn = []
    for value, name in ((one.value, one.kind or "col"), (one.inner, "inner")):
        if value:
            tall = max(height * value / top, 1.0)
            drawn.append(
                f'<rect class="{name}" x="{x + gap:.2f}%" width="{pitch - 2 * gap:.2f}%" '
                f'y="{height - tall:.1f}" height="{tall:.1f}"/>'
            )
    if drawn and one.told:
        y = height - max(height * one.value / top, 1.0) - 3
        text = f'<text x="{x + pitch / 2:.2f}%" y="{y:.1f}">{escape(one.told)}</text>'
        drawn.append(text)
    return f"<g><title>{escape(one.title)}</title>{''.join(drawn)}</g>" if drawn else ""
