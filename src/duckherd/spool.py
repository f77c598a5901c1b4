"""The local folder a run writes before anything is published.

One folder a flow run. It outlives a failed publish, so that a retried one need not
read the source again, and goes as soon as the run has published or its data were
judged. What a killed process left behind is swept by the next run on the machine:
a living run holds a lock on its folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from duckherd.extract.model import Extract
from duckherd.lake.model import TableState

_GRACE_SECONDS = 3600
"""A folder younger than this is kept even when nobody holds it: its run may be retried."""


def spool_root() -> Path:
    """Where spools live: `DUCKHERD_SPOOL`, else a folder of this user's below the temp folder."""
    configured = os.environ.get("DUCKHERD_SPOOL")
    return Path(configured or Path(tempfile.gettempdir()) / f"duckherd-spool-{os.getuid()}")


@dataclass(frozen=True, slots=True)
class Spool:
    """The spool of one flow run."""

    folder: Path

    @property
    def data(self) -> Path:
        """Where the reader writes."""
        return self.folder / "data"

    @property
    def keys(self) -> Path:
        """Where the keys of all rows go, for `deletes: compare_keys`."""
        return self.folder / "keys"

    def empty(self, part: Path) -> Path:
        """Make `part` an existing empty folder and return it."""
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        return part

    def finish(self, extract: Extract, before: TableState) -> None:
        """Note that the spool is whole, and on which published version it builds."""
        draft = self.folder / "extract.new"
        draft.write_bytes(pickle.dumps((extract, before)))
        draft.rename(self.folder / "extract")

    def finished(self) -> tuple[Extract, TableState] | None:
        """What an earlier try of this run read, None unless every file is still there."""
        try:
            extract, before = pickle.loads((self.folder / "extract").read_bytes())  # noqa: S301  # our own file, in a folder only this user may enter
            sizes = [file.stat().st_size for file in extract.files]
        except (OSError, pickle.PickleError, EOFError, AttributeError, TypeError, ValueError):
            return None
        return (extract, before) if sum(sizes) == extract.bytes else None

    def discard(self) -> None:
        """Remove the folder with all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def open_spool(flow_run: str, root: Path | None = None) -> Iterator[Spool]:
    """The spool of a flow run, locked while the block runs; left in place at its end."""
    root = root or spool_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(root)
    folder = root / flow_run
    folder.mkdir(mode=0o700, exist_ok=True)
    with (root / f"{flow_run}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield Spool(folder)
        finally:
            if not folder.exists():
                Path(lock.name).unlink(missing_ok=True)


def sweep(root: Path, *, now: float | None = None, grace: float = _GRACE_SECONDS) -> int:
    """Remove spools that no living run holds and nobody came back for; returns how many."""
    now = time.time() if now is None else now
    removed = 0
    for path in root.glob("*.lock"):
        folder = path.with_suffix("")
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime < grace:
                continue
            with path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                path.unlink()
                removed += 1
    return removed
