"""A big table in parts: how many there are, and how they are read side by side."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

SMALLEST = 32 * 1024 * 1024
"""A part below this many bytes is not worth a query of its own."""

S = TypeVar("S")
R = TypeVar("R")


def slice_count(size: int, target: int, connections: int) -> int:
    """How many parts a table of `size` bytes is read in, parts of about `target` bytes.

    At least two for each connection where the table is big enough, so that they end together.
    """
    if size < 2 * SMALLEST:
        return 1
    wanted = max(math.ceil(size / max(target, SMALLEST)), 2 * connections)
    return min(wanted, max(1, size // SMALLEST))


def even_bounds(end: int, count: int) -> list[tuple[int, int | None]]:
    """`count` half-open ranges over 0..end, the last without end: the table may have grown."""
    step = math.ceil(end / count)
    starts = range(0, max(end, 1), max(step, 1))
    return [(start, start + step if start + step < end else None) for start in starts]


@dataclass(frozen=True, slots=True)
class Reader(Generic[S, R]):
    """One connection's way to read a slice.

    Attributes:
        read: reads one slice; called from a single thread.
        interrupt: makes a running `read` raise soon; called from another thread.
    """

    read: Callable[[S], R]
    interrupt: Callable[[], None]


def read_side_by_side(slices: Sequence[S], readers: Sequence[Reader[S, R]]) -> list[R]:
    """The result of each slice, in the order of the slices, one thread a reader.

    The first error stops all readers and is raised when every one has stopped.
    """
    if len(readers) == 1:
        return [readers[0].read(part) for part in slices]
    work = _Work(slices, readers)
    threads = [threading.Thread(target=work.run, args=(r,), daemon=True) for r in readers]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException as error:
        # A cancelled run: stop the queries, then wait until their connections are free.
        work.fail(error)
        for thread in threads:
            thread.join()
        raise
    if work.errors:
        raise work.errors[0]
    return [work.results[number] for number in range(len(slices))]


class _Work(Generic[S, R]):
    """Slices waiting, results and errors, shared by the threads."""

    def __init__(self, slices: Sequence[S], readers: Sequence[Reader[S, R]]) -> None:
        self.results: dict[int, R] = {}
        self.errors: list[BaseException] = []
        self._slices = slices
        self._readers = readers
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(slices)):
            self._waiting.put(number)

    def run(self, reader: Reader[S, R]) -> None:
        try:
            while not self.errors:
                number = self._waiting.get_nowait()
                self.results[number] = reader.read(self._slices[number])
        except queue.Empty:
            return
        except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
            self.fail(error, reader)

    def fail(self, error: BaseException, failed: Reader[S, R] | None = None) -> None:
        self.errors.append(error)
        for reader in self._readers:
            if reader is not failed:
                reader.interrupt()
