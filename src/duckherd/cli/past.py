"""What the commands about the past have in common: refresh the cache, read and judge it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from duckherd.cli.output import message
from duckherd.duration import parse_duration
from duckherd.errors import UsageError

if TYPE_CHECKING:
    from duckherd.history.store import Store
    from duckherd.report.judged import Judged

Select = Annotated[
    str, Parameter(help="A selection; everything unless given. See docs/selection.md.")
]
Window = Annotated[
    str | None, Parameter(help="Count over this long instead of each objective's window, e.g. 28d.")
]
Offline = Annotated[bool, Parameter(negative=(), help="Read the cache as it is, ask no server.")]

_FRESH = timedelta(seconds=30)
_DEFAULT_WINDOW = 28 * 86400.0
_TELL_EVERY = 10_000


@dataclass(frozen=True)
class Past:
    """The cache, open, and where the Prefect UI is."""

    store: Store
    ui_url: str | None

    def judge(self, window: str | None = None, days: float | None = None) -> Judged:
        """Judge the herd; slots go back as far as the longest window, and `days`."""
        from duckherd.history.tables import read_herd
        from duckherd.report.judged import judge

        asked = seconds(window)
        known = self.store.get("fetched_at")
        now = datetime.fromisoformat(known).timestamp() if known else 0.0
        start = now - max((days or 0) * 86400, asked or self._longest_window())
        return judge(read_herd(self.store, start), start, asked)

    def _longest_window(self) -> float:
        rows = self.store.query(
            "select distinct content ->> '$.objective.window' from deployment_version"
        )
        spans = []
        for (text,) in rows:
            try:
                spans.append(parse_duration(text or "28d"))
            except ValueError:
                continue
        return max(spans, default=_DEFAULT_WINDOW)


def seconds(window: str | None) -> float | None:
    """Seconds of `--window`. Raises UsageError."""
    if window is None:
        return None
    try:
        found = parse_duration(window)
    except ValueError as error:
        raise UsageError(f"--window: {error}") from error
    if not found:
        raise UsageError("--window must be longer than nothing", hint="for example --window 28d")
    return found


@contextmanager
def past(command: str, *, offline: bool = False) -> Iterator[Past]:
    """The herd's history, brought up to date first; `command` is what asks."""
    from duckherd.api.settings import load_settings
    from duckherd.cli.connection import connect
    from duckherd.history.store import Store, cache_path

    with _without_collecting():
        settings = load_settings()
        if offline:
            if settings.url is None:
                raise UsageError(
                    "--offline needs a configured Prefect API: each has its own cache",
                    hint="prefect config set PREFECT_API_URL=http://host:4200/api",
                )
            with Store(cache_path(settings.url)) as store:
                yield Past(store, settings.ui_url)
            return
        with connect(command) as connection, Store(cache_path(connection.api.url)) as store:
            refresh(connection.api, store)
            yield Past(store, connection.api.ui_url)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Many small records are made and none is garbage: looking for cycles costs a third."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def refresh(api: object, store: Store) -> None:
    """Fetch what is new, unless that was done a moment ago."""
    from duckherd.history.fetch import fetch

    last = store.get("fetched_at")
    now = datetime.now(UTC)
    if last and now - datetime.fromisoformat(last) < _FRESH:
        return
    told = 0

    def progress(stored: int) -> None:
        nonlocal told
        if stored - told >= _TELL_EVERY:
            told = stored
            message(f"history: {stored:,} flow runs fetched ...")

    fetch(api, store, now, progress)  # type: ignore[arg-type]  # `Api`, imported lazily


def choose(judged: Judged, select: Sequence[str], exclude: Sequence[str] | None) -> Judged:
    """The selected tables. Raises SelectionError."""
    if not select and not exclude:
        return judged
    from duckherd.project.selection import select as pick
    from duckherd.report.judged import lookups

    tables = pick(judged.tables, select, exclude or (), lookups(judged))  # type: ignore[arg-type]
    return judged.only(tables)


def moment(instant: float | None) -> datetime | None:
    """An instant as an aware local time, for output."""
    return None if instant is None else datetime.fromtimestamp(instant, UTC)
