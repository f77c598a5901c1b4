"""A lake in a local folder.

A write is: a temporary file, fsync, rename, fsync of the folder. Publishers of one
table keep each other out by an exclusive lock that the kernel releases when its
process ends, however it ends; so whatever is in the table's staging folder when the
lock is taken was left over by a process that died, and goes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO

from duckherd.errors import LakeDenied, LakeError, LakeUnreachable
from duckherd.lake.assembly import Assembly
from duckherd.lake.store import Content, Draft, Stale

_LOST = frozenset((errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT))
_MISSING = (FileNotFoundError, NotADirectoryError)


class FolderStore:
    """Objects are files below `root`, which the first publish makes.

    Args:
        root: absolute.
        staging: where a held store keeps temporary files; on the same file system.
    """

    def __init__(self, root: Path, staging: Path | None = None) -> None:
        self._root = root
        self._staging = staging or root
        self._unsynced: set[Path] = set()

    def prepare(self) -> None:
        with _explained(self._root):
            self._root.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def hold(self, path: str) -> Iterator[FolderStore]:
        lock = self._target(path).with_suffix(".lock")
        staging = lock.with_suffix(".staging")
        with _explained(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with _explained(lock):
                _lock(handle, path)
                shutil.rmtree(staging, ignore_errors=True)
            yield FolderStore(self._root, staging)
            with contextlib.suppress(OSError):
                staging.rmdir()
        finally:
            os.close(handle)

    def read(self, path: str) -> Content | None:
        with _explained(self._target(path)):
            try:
                data = self._target(path).read_bytes()
            except _MISSING:
                return None
        return Content(data, _digest(data), len(data))

    def swap(self, path: str, content: bytes, expected: str | None) -> str:
        found = self.read(path)
        if (found.version if found else None) != expected:
            raise Stale(path)
        target = self._target(path)
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_suffix(".new")
            temporary.write_bytes(content)
            # What was staged or renamed since the last swap is on the disk before this one shows.
            self._sync(temporary)
            temporary.rename(target)
            self._unsynced.add(target.parent)
        return _digest(content)

    def stage(self, draft: Draft) -> None:
        with _explained(self._target(draft.path)):
            self._staging.mkdir(exist_ok=True)
            _write(self._staged(draft.path), draft.assembly)
            self._unsynced.add(self._staged(draft.path))

    def put(self, draft: Draft, fence: Callable[[], None]) -> str:
        target = self._target(draft.path)
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._staged(draft.path).rename(target)
            self._unsynced |= {target.parent, self._root}
            return _stamp(target)

    def tail(self, path: str, size: int) -> Content | None:
        target = self._target(path)
        with _explained(target):
            try:
                with target.open("rb") as file:
                    whole = file.seek(0, os.SEEK_END)
                    file.seek(max(0, whole - size))
                    return Content(file.read(), _stamp(target), whole)
            except _MISSING:
                return None

    def settle(self) -> None:
        with _explained(self._root):
            self._sync()

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            target = self._target(path)
            with _explained(target):
                if path.endswith("/"):
                    shutil.rmtree(target, ignore_errors=True)
                else:
                    target.unlink(missing_ok=True)
            self._prune(target.parent)

    def local(self, path: str) -> Path | None:
        return self._target(path)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        with self._target(path).open("rb") as file:
            yield file

    def download(self, path: str, target: Path) -> bool:
        with _explained(self._target(path)):
            try:
                shutil.copyfile(self._target(path), target)
            except _MISSING:
                return False
            return True

    def _sync(self, *more: Path) -> None:
        """Wait until files and folders are on the disk: together, it takes the time of one."""
        paths = [*self._unsynced, *more]
        self._unsynced.clear()
        # Threads of this call alone: the warm worker replaces a process that is left with any.
        with ThreadPoolExecutor(max(1, len(paths))) as threads:
            list(threads.map(_fsync, paths))

    def _target(self, path: str) -> Path:
        return self._root.joinpath(PurePosixPath(path))

    def _staged(self, path: str) -> Path:
        return self._staging / _digest(path.encode())

    def _prune(self, folder: Path) -> None:
        """Remove folders that lost their last object, up to the root."""
        with contextlib.suppress(OSError):
            while folder != self._root and folder.is_relative_to(self._root):
                folder.rmdir()
                folder = folder.parent


def _lock(handle: int, path: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Stale(path) from error


def _write(target: Path, assembly: Assembly) -> None:
    with target.open("wb", buffering=0) as file:
        for piece in assembly.pieces:
            with piece.path.open("rb") as source:
                _copy(source.fileno(), file.fileno(), piece.start, piece.stop)
        file.write(assembly.tail)
        if file.tell() != assembly.size:
            raise LakeError(f"{assembly.pieces[0].path} became shorter while it was published")


def _copy(source: int, target: int, start: int, stop: int) -> None:
    """Copy inside the kernel: no byte passes through this process."""
    while start < stop:
        done = os.sendfile(target, source, start, stop - start)
        if not done:
            return
        start += done


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _stamp(path: Path) -> str:
    """Inode, time and size: what changes with every rename over the path."""
    found = path.stat()
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors of the lake."""
    try:
        yield
    except PermissionError as error:
        raise LakeDenied(
            f"the lake's {path} may not be read or written: {error.strerror}",
            hint=f'give this user the right: ls -ld "{path.parent}"',
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _LOST:
            raise LakeUnreachable(
                f"the disk of the lake's {path} does not answer: {reason}"
            ) from error
        if error.errno == errno.EROFS:
            raise LakeDenied(f"the lake's {path} is on a read-only file system") from error
        raise LakeError(
            f"the lake's {path} could not be read or written: {reason}",
            hint=f'look at the folder and its disk: df -h "{path.parent}"',
        ) from error
