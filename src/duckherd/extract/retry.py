"""Try again, with growing pauses, what failed for a reason that passes by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from duckherd.errors import SourceError

T = TypeVar("T")

ATTEMPTS = 3
_FIRST_PAUSE = 0.5


def with_retry(
    work: Callable[[], T],
    passes: Callable[[SourceError], bool],
    *,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of `work`, tried up to `attempts` times.

    `passes` says whether an error is transient by its code; all others are raised at once.
    Pauses double from half a second; a random part of up to a half is taken away, so that
    the tables of a herd do not come back together. `sleep` takes seconds.
    """
    for attempt in range(attempts):
        try:
            return work()
        except SourceError as error:
            if attempt == attempts - 1 or not passes(error):
                raise
            sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
    raise AssertionError("unreachable: the last attempt returns or raises")
