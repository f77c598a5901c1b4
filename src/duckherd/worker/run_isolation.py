"""What one flow run changes in its process, undone before the next run."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGHUP")
    if hasattr(signal, name)
)


@contextmanager
def run_surroundings(
    env: Mapping[str, str], working_dir: str | None, *, stream_output: bool
) -> Iterator[None]:
    """The environment and folder of one run, entered before its flow is imported.

    What importing sets (a variable, a `sys.path` entry) belongs to the process and
    stays, as the module stays; `undone` restores what the run itself changes.
    """
    with ExitStack() as stack:
        stack.enter_context(_folder(working_dir))
        if not stream_output:
            stack.enter_context(_silenced())
        os.environ.update(env)
        stack.callback(_remove_variables, env)
        stack.callback(_open_stdin)
        yield


@contextmanager
def undone() -> Iterator[None]:
    """Undo everything known to leak when the block ends, however it ends."""
    with ExitStack() as stack:
        for keep in (_environment, _interpreter, _logging_setup, _signal_handlers, _streams):
            stack.enter_context(keep())
        yield


def _remove_variables(env: Mapping[str, str]) -> None:
    for name in env:
        os.environ.pop(name, None)


def _open_stdin() -> None:
    # `exit()`, with which Prefect's engine ends some runs, closes the standard input.
    if sys.stdin is None or sys.stdin.closed:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115


@contextmanager
def _folder(working_dir: str | None) -> Iterator[None]:
    home = Path.cwd()
    own = None if working_dir else tempfile.mkdtemp(prefix="duckherd-run-")
    os.chdir(working_dir or own or home)
    try:
        yield
    finally:
        os.chdir(home)
        if own:
            shutil.rmtree(own, ignore_errors=True)


@contextmanager
def _silenced() -> Iterator[None]:
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextmanager
def _environment() -> Iterator[None]:
    kept = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - kept.keys():
            del os.environ[name]
        for name, value in kept.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextmanager
def _interpreter() -> Iterator[None]:
    path, argv, finders = list(sys.path), list(sys.argv), list(sys.meta_path)
    hook, timeout, mask = sys.excepthook, socket.getdefaulttimeout(), os.umask(0o022)
    os.umask(mask)
    with warnings.catch_warnings():
        try:
            yield
        finally:
            sys.path[:], sys.argv[:], sys.meta_path[:] = path, argv, finders
            sys.excepthook = hook
            socket.setdefaulttimeout(timeout)
            os.umask(mask)
            random.seed()


@contextmanager
def _signal_handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in kept.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _streams() -> Iterator[None]:
    kept: tuple[IO[str], ...] = (sys.stdin, sys.stdout, sys.stderr)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept


@dataclass(frozen=True, slots=True)
class _LoggerState:
    level: int
    disabled: bool
    propagate: bool
    handlers: tuple[logging.Handler, ...]
    filters: tuple[Any, ...]

    @classmethod
    def of(cls, logger: logging.Logger) -> _LoggerState:
        return cls(
            logger.level,
            logger.disabled,
            logger.propagate,
            tuple(logger.handlers),
            tuple(logger.filters),
        )

    def apply_to(self, logger: logging.Logger) -> None:
        logger.setLevel(self.level)
        logger.disabled, logger.propagate = self.disabled, self.propagate
        logger.handlers[:] = self.handlers
        logger.filters[:] = self.filters


_FRESH_LOGGER = _LoggerState(
    logging.NOTSET, disabled=False, propagate=True, handlers=(), filters=()
)


@contextmanager
def _logging_setup() -> Iterator[None]:
    kept = {logger: _LoggerState.of(logger) for logger in _loggers()}
    disabled = logging.root.manager.disable
    try:
        yield
    finally:
        logging.disable(disabled)
        for logger in _loggers():
            state = kept.get(logger, _FRESH_LOGGER)
            if _LoggerState.of(logger) != state:
                state.apply_to(logger)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(one for one in known if isinstance(one, logging.Logger))]
