"""How flow runs are shown while they go on: one live display, or a line for each that ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self

from duckherd.cli.output import message, messages
from duckherd.cli.units import count, duration, plural
from duckherd.runs.watch import Progress

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from duckherd.runs.model import Outcome, Run

_SLOWEST = 5
"""Running tables that are named."""


class Display(Protocol):
    """Shows the progress of flow runs, as long as it is open."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def update(self, progress: Progress) -> None:
        """Show where the runs stand now."""
        ...


class LineDisplay:
    """One line for each run that ended: for logs and pipes.

    Args:
        tables: deployment id -> table.
        began: when the runs began, by the monotonic clock.
    """

    def __init__(self, tables: Mapping[str, str], began: float) -> None:
        self._tables = tables
        self._began = began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def update(self, progress: Progress) -> None:
        for run in progress.finished:
            message(finished_line(run, self._tables))


class LiveDisplay:
    """A total bar, the rate, and the tables that run longest; see `LineDisplay` for arguments."""

    def __init__(self, tables: Mapping[str, str], began: float) -> None:
        from rich.live import Live

        self._tables = tables
        self._began = began
        self._progress: Progress | None = None
        self._seen = began
        self._live = Live(
            get_renderable=self._view, console=messages(), refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def update(self, progress: Progress) -> None:
        self._progress = progress
        self._seen = time.monotonic()

    def _view(self) -> Group:
        from rich.console import Group

        elapsed = time.monotonic() - self._began
        if self._progress is None:
            return Group(_head({}, len(self._tables), 0, elapsed))
        rows = sum(run.rows or 0 for run in self._progress.runs.values() if run.over)
        lines = [_head(self._progress.counts, len(self._tables), rows, elapsed)]
        lines += [self._running(run) for run in self._progress.running[:_SLOWEST]]
        return Group(*lines)

    def _running(self, run: Run) -> Text:
        from datetime import UTC, datetime

        from rich.text import Text

        took = (datetime.now(UTC) - run.start).total_seconds() if run.start else 0.0
        line = Text(f"  {_table(run, self._tables)}  ", no_wrap=True, overflow="ellipsis")
        return line.append(duration(max(took, 0.0)), "dim")


def finished_line(run: Run, tables: Mapping[str, str]) -> str:
    """A run that ended, on one line."""
    took = duration(run.seconds) if run.seconds is not None else ""
    rows = plural(run.rows, "row") if run.outcome == "ok" and run.rows is not None else ""
    parts = [_table(run, tables), run.outcome, rows, took, run.reason]
    return "  ".join(part for part in parts if part)


def _table(run: Run, tables: Mapping[str, str]) -> str:
    return tables.get(str(run.deployment_id), run.name)


def _head(counts: Mapping[Outcome, int], total: int, rows: int, elapsed: float) -> Text:
    from rich.text import Text

    bad: tuple[Outcome, ...] = ("failed", "crashed", "cancelled")
    failed = sum(counts.get(outcome, 0) for outcome in bad)
    done, running = counts.get("ok", 0) + failed, counts.get("running", 0)
    width = 40
    filled = width * done // max(total, 1)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("━" * filled, "red" if failed else "green").append("━" * (width - filled), "dim")
    text.append(f" {done:,}/{total:,} done  ").append(duration(elapsed), "dim")
    text.append(f"\n  {running:,} running  {total - done - running:,} queued  ")
    text.append(f"{failed:,} failed", "red" if failed else "")
    return text.append(f"  {count(rows / max(elapsed, 0.001))} rows/s" if rows else "")
