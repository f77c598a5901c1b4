"""Which code a process has imported, and whether it has changed on disk since."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path


class ImportedCode:
    """Modification times of what this process has imported.

    A file of the user's own code counts by itself; everything installed counts by
    its `site-packages` folder, which every installation touches.
    """

    def __init__(self) -> None:
        self._installed = _installed_roots()
        self._times: dict[str, int | None] = {root: _modified(root) for root in self._installed}
        self._seen: set[str] = set()

    def record(self) -> None:
        """Remember the files of modules imported since the last call."""
        for name, module in list(sys.modules.items()):
            if name in self._seen:
                continue
            self._seen.add(name)
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and not self._is_installed(path):
                self._times.setdefault(path, _modified(path))

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
