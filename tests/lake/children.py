"""What tests of several processes run in them: importable, unlike the tests themselves."""

from __future__ import annotations

import resource
from typing import Any

from duckherd.errors import PublishConflict
from duckherd.lake import open_lake, publish
from duckherd.lake.model import Publication
from lake.harness import Row, Setup, columns_of, run


def rows(tag: str, count: int = 200) -> list[Row]:
    """Rows that all tell which version they are of."""
    return [(n, n, tag) for n in range(count)]


def publisher(setup: Setup, tag: str, start: Any, results: Any) -> None:
    """One run that waits for the others before its publish."""

    def wait(step: str) -> None:
        if step == "stage" and start is not None:
            start.wait(60)

    try:
        run(setup, rows(tag), tag, on_step=wait, is_over=lambda _: False)
        results.put((tag, "committed"))
    except PublishConflict:
        results.put((tag, "refused"))


def writer(setup: Setup, stop: Any) -> None:
    """Publishes versions of different sizes until told to stop."""
    number = 0
    while not stop.is_set():
        number += 1
        run(setup, rows(f"version {number}", 100 + 37 * (number % 5)), f"run {number}")


def peak(url: str, format_: str, files: tuple[str, ...], rows: int, result: Any) -> None:
    """Publish files in this process; gives the growth of its peak memory in bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = Publication(
        table="sales.orders",
        flow_run="one",
        mode="replace",
        format=format_,
        files=files,
        columns=columns_of("id"),
        rows=rows,
        read_at="2026-01-01T00:00:00+00:00",
    )
    publish(open_lake(url), found, lambda _: True)
    result.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
