"""How every command ends: its exit code, and what is said of an error."""

from __future__ import annotations

import enum
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from duckherd.errors import DuckherdError


class Exit(enum.IntEnum):
    """Exit codes, the same for every command."""

    GOOD = 0
    FAILED = 1
    """Something selected failed or breached its objective."""
    ERROR = 2
    """The command line, the configuration or duckherd itself is at fault."""
    CHANGES = 3
    """`plan --detailed-exitcode` found changes."""
    INTERRUPTED = 130


def ending(command: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run `command`; whatever it raises becomes one message on stderr and an exit code."""
    try:
        with _terminate_as_interrupt():
            code = command()
            sys.stdout.flush()
        return Exit.GOOD if code is None else code
    except KeyboardInterrupt:
        _say("interrupted", debug=debug)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python flushes stdout once more on
        # its way out, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.GOOD
    except DuckherdError as error:
        _say(_styled("error: ", "1;31") + str(error), debug=debug)
        return Exit.ERROR
    except Exception as error:  # noqa: BLE001  the one place where surprises end
        text = f"unexpected {type(error).__name__}: {error}".strip()
        hint = "" if debug else "\n  hint: the same command with --debug shows the traceback"
        _say(_styled("error: ", "1;31") + text.partition("\n")[0] + hint, debug=debug)
        return Exit.ERROR


def _say(text: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(text, file=sys.stderr, flush=True)


def _styled(text: str, code: str) -> str:
    plain = not sys.stderr.isatty() or os.environ.get("NO_COLOR") is not None
    return text if plain else f"\x1b[{code}m{text}\x1b[0m"


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, so that what it started is stopped too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
