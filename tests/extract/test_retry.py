"""Trying again: only what passes by itself, with growing pauses."""

from __future__ import annotations

import pytest

from duckherd.errors import SourceBusy, SourceDenied, SourceError
from duckherd.extract.retry import with_retry


def test_transient_errors_are_tried_again_with_growing_pauses() -> None:
    """The third try succeeds; the pauses lie between half and whole of 0.5 s and 1 s."""
    pauses: list[float] = []
    errors = [SourceBusy("one"), SourceBusy("two")]

    def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    assert with_retry(work, lambda _: True, sleep=pauses.append) == "done"
    assert 0.25 <= pauses[0] <= 0.5
    assert 0.5 <= pauses[1] <= 1.0


@pytest.mark.parametrize(("error", "tries"), [(SourceDenied("no"), 1), (SourceBusy("no"), 3)])
def test_other_errors_are_raised_at_once(error: SourceError, tries: int) -> None:
    """And a transient one after the last try."""
    calls = []

    def work() -> None:
        calls.append(1)
        raise error

    with pytest.raises(SourceError, match="no"):
        with_retry(work, lambda e: isinstance(e, SourceBusy), sleep=lambda _: None)
    assert len(calls) == tries
