"""Whether this process runs one flow run or many, and what ends with it.

A warm process says around its life that it runs many. What a run then leaves for the
next, such as a connection, is closed when the process ends; elsewhere nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_endings: dict[str, Callable[[], object]] | None = None


@contextmanager
def many_runs() -> Iterator[None]:
    """Around the life of a process that takes flow run after flow run."""
    global _endings  # a fact of the process
    endings = _endings = {}
    try:
        yield
    finally:
        _endings = None
        for close in endings.values():
            close()


def many() -> bool:
    """Whether this process takes flow run after flow run."""
    return _endings is not None


def at_end(what: str, close: Callable[[], object]) -> None:
    """Have something closed when the process ends; a later `close` of the same replaces it."""
    if _endings is not None:
        _endings[what] = close
