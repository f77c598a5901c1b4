"""Which code a process has imported, and whether it has changed on disk since."""

from __future__ import annotations

import site
import sys
import sysconfig
import time
from pathlib import Path

_UNKNOWN = -1
"""For a file that changed about when it was imported: either version may be in memory."""
_CLOCK_STEP_NS = 20_000_000
"""A file's time may be so far behind the clock."""


class ImportedCode:
    """Modification times of what this process has imported.

    A file of the user's own code counts by itself; everything installed counts by
    its `site-packages` folder, which every installation touches.
    """

    def __init__(self) -> None:
        self._since = time.time_ns()
        self._installed = _installed_roots()
        self._times: dict[str, int | None] = {root: _modified(root) for root in self._installed}
        self._seen: set[str] = set()

    def begin(self) -> None:
        """From now on something may be imported, until `record`."""
        self._since = time.time_ns()

    def record(self) -> None:
        """Remember the files of the modules imported since `begin`.

        A file changed since then counts as changed: nobody can tell whether it was
        imported before or after.
        """
        new = sys.modules.keys() - self._seen
        self._seen |= new
        for name in new:
            path = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(path, str) and not self._is_installed(path):
                modified = _modified(path)
                fresh = modified is not None and modified >= self._since - _CLOCK_STEP_NS
                self._times.setdefault(path, _UNKNOWN if fresh else modified)

    def changed(self) -> str | None:
        """A path that is not as it was when it was imported, or None."""
        for path, modified in self._times.items():
            if _modified(path) != modified:
                return path
        return None

    def _is_installed(self, path: str) -> bool:
        return path.startswith((*self._installed, sys.base_prefix + "/lib/"))


def _installed_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    roots = {
        paths["purelib"],
        paths["platlib"],
        *site.getsitepackages(),
        site.getusersitepackages(),
    }
    return tuple(sorted(root for root in roots if Path(root).is_dir()))


def _modified(path: str) -> int | None:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None
