"""What the dashboard shows: a report kept up to date in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from duckherd.api.client import Api
from duckherd.history.fetch import fetch
from duckherd.history.store import Store
from duckherd.history.tables import read_herd
from duckherd.report.judged import Judged, judge
from duckherd.report.report import Page, Report, gather, pages
from duckherd.sla.schedule import DAY

_LOG = logging.getLogger(__name__)
_REJUDGE = 60.0
"""Seconds after which the herd is judged again although no run changed: deadlines pass."""

Select = Callable[[Judged], Judged]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the herd.

    Attributes:
        number: grows with every new state.
        problem: why the last refresh failed; empty while all is well.
    """

    number: int
    report: Report
    judged: Judged
    problem: str = ""


class Live:
    """Refreshes a snapshot every `seconds` until it is stopped.

    Raises DuckherdError where the first snapshot cannot be made; later failures are
    shown on the dashboard and tried again.
    """

    def __init__(
        self,
        api: Api,
        cache: Path,
        days: int,
        seconds: float,
        select: Select,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.api = api
        self.cache = cache
        self.days = days
        self.seconds = seconds
        self.select = select
        self.clock = clock
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self.snapshot = self._made(1)
        self._thread = threading.Thread(target=self._loop, name="dashboard-refresh", daemon=True)

    def start(self) -> None:
        """Refresh from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop refreshing, and wait for a refresh under way."""
        self._stopped.set()
        self._wake.set()
        self._thread.join()

    def hurry(self) -> None:
        """Refresh now: somebody has just changed something."""
        self._wake.set()

    def page(self, name: str, runs: int = 30) -> Page | None:
        """A table's page, read now; None for a table that does not exist."""
        now = self.snapshot
        rows = [row for row in now.report.rows if row.table.name == name]
        if not rows:
            return None
        with Store(self.cache) as store:
            return pages(store, now.judged, rows, now.judged.start, runs)[name]

    def _loop(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(self.seconds)
            self._wake.clear()
            if not self._stopped.is_set():
                self._refresh()

    def _refresh(self) -> None:
        now = self.snapshot
        try:
            self.snapshot = self._made(now.number + 1, now)
        except Exception as error:  # noqa: BLE001  a refresh that fails must not be the last
            _LOG.warning("refresh failed", exc_info=error)
            problem = str(error).partition("\n")[0] or type(error).__name__
            if now.problem != problem:
                self.snapshot = Snapshot(now.number + 1, now.report, now.judged, problem)

    def _made(self, number: int, last: Snapshot | None = None) -> Snapshot:
        with Store(self.cache) as store:
            before = store.get("changes")
            now = self.clock()
            fetch(self.api, store, now)
            moment = now.timestamp()
            unchanged = last is not None and not last.problem and store.get("changes") == before
            if last and unchanged and moment - last.judged.now < _REJUDGE:
                return last
            start = moment - self.days * DAY
            judged = self.select(judge(read_herd(store, start), start))
            return Snapshot(number, gather(store, judged, self.days, self.api.ui_url), judged)
