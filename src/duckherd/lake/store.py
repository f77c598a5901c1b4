"""What a place for objects must be able to do; `folder` and `bucket` do it.

Paths are below the lake's URL, `/` between parts. A *version* is an opaque text that
changes whenever the object does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from duckherd.lake.assembly import Assembly


class Stale(Exception):
    """The object is no longer the version a conditional write expected."""


@dataclass(frozen=True, slots=True)
class Content:
    """A small object, or the end of one.

    Attributes:
        data: its bytes.
        version: of the object.
        size: bytes of the whole object.
    """

    data: bytes
    version: str
    size: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An object about to be written.

    Attributes:
        path: where it will appear.
        expected: the version it replaces; None where there must be none.
        flow_run: id of the flow run that writes it.
    """

    path: str
    assembly: Assembly
    expected: str | None
    flow_run: str


class Store(Protocol):
    """A folder or a bucket. Every method raises LakeError and its kinds."""

    def prepare(self) -> None:
        """Make sure that a publish can keep its promises here; asked before the first one."""

    def hold(self, path: str) -> AbstractContextManager[Store]:
        """The store for one publish; keeps other publishers of `path` out, where it can.

        Raises Stale if one is in.
        """

    def read(self, path: str) -> Content | None:
        """A small object, None where there is none."""

    def swap(self, path: str, content: bytes, expected: str | None) -> str:
        """Replace a small object if it still is `expected` (None: absent); gives the new version.

        Raises Stale otherwise. After a crash it is the old or the new content, never a part.
        """

    def stage(self, draft: Draft) -> None:
        """Do what can be done of `put` without any reader noticing."""

    def put(self, draft: Draft, fence: Callable[[], None]) -> str:
        """Write an object in one atomic step; gives its version.

        Raises Stale where the store can tell that the object is not the expected version.
        Calls `fence` right before a step the store cannot make conditional: it raises where
        the write is no longer ours.
        """

    def settle(self) -> None:
        """Return once everything written so far would survive a power failure."""

    def tail(self, path: str, size: int) -> Content | None:
        """The last `size` bytes of an object, None where there is none."""

    def remove(self, paths: Iterable[str]) -> None:
        """Delete objects; one that ends in `/` is a whole folder. Missing ones are fine."""

    def local(self, path: str) -> Path | None:
        """Where the object is on this machine, None where it is not."""

    def open(self, path: str) -> AbstractContextManager[Any]:
        """An object as a binary file to seek and read in; raises FileNotFoundError."""

    def download(self, path: str, target: Path) -> bool:
        """Copy an object to a local file; False where there is none."""
