"""Keeping resolved values out of messages: text, exceptions, log records.

Drivers put passwords into exception texts, so every value that was resolved in this
process is remembered here, and log records are rewritten where they are made.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from duckherd.errors import DuckherdError

HIDDEN = "****"

_SHORT = 6
"""Values of fewer characters are hidden where they stand alone, not inside other words."""

# OSError, SyntaxError and the Unicode errors print from slots, not from args.
_SLOTS = {"filename", "filename2", "strerror", "msg", "text", "reason", "object", "name", "path"}
_known: set[str] = set()
_make_record: Callable[..., logging.LogRecord] | None = None


def remember(value: str) -> None:
    """Hide this value, plain or percent-encoded, in all log records made from now on."""
    if value:
        _known.update(_spellings(value))
        _watch_logging()


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with the given values, and all that were resolved in this process, hidden."""
    values = _known.union(*(_spellings(value) for value in secrets if value))
    return _pattern(frozenset(values)).sub(HIDDEN, text) if values else text


@lru_cache(maxsize=64)
def _pattern(values: frozenset[str]) -> re.Pattern[str]:
    # The longest first: one secret may be a part of another.
    ordered = sorted(values, key=len, reverse=True)
    return re.compile("|".join(_alone(v) if len(v) < _SHORT else re.escape(v) for v in ordered))


def _alone(value: str) -> str:
    # A password "db" must not turn every "dbo" into "****o".
    return rf"(?<!\w){re.escape(value)}(?!\w)"


@contextmanager
def guard(*secrets: str) -> Iterator[None]:
    """Let no exception leave with a secret in its message, causes and notes included.

    The exception keeps its type and traceback. One whose text cannot be changed is
    replaced by a DuckherdError that carries the redacted text.
    """
    try:
        yield
    except BaseException as error:
        if _scrub(error, secrets, set()):
            raise
        message = redact(f"{type(error).__name__}: {error}", secrets)
        raise DuckherdError(message).with_traceback(error.__traceback__) from None


def scrub(error: BaseException, secrets: Iterable[str] = ()) -> bool:
    """Rewrite an exception, its causes and its notes in place; False where a secret remains."""
    return _scrub(error, tuple(secrets), set())


def _scrub(error: BaseException, secrets: Iterable[str], seen: set[int]) -> bool:
    if id(error) in seen:
        return True
    seen.add(id(error))
    for holder, name in _text_places(error):
        _rewrite(holder, name, secrets)
    linked = [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
    dirty = [other for other in linked if other and not _scrub(other, secrets, seen)]
    shown = _safe(str, error) + _safe(repr, error)
    return not dirty and redact(shown, secrets) == shown


def _text_places(error: BaseException) -> list[tuple[BaseException, str]]:
    names = {"args", "__notes__", *getattr(error, "__dict__", {})}
    return [(error, name) for name in names | _SLOTS if hasattr(error, name)]


def _rewrite(holder: BaseException, name: str, secrets: Iterable[str]) -> None:
    before = getattr(holder, name)
    after = _redacted(before, secrets)
    if after is before:
        return
    try:
        setattr(holder, name, after)
    except (AttributeError, TypeError, ValueError):
        # A read-only attribute: the caller sees that the secret remains and replaces the error.
        return


def _redacted(value: Any, secrets: Iterable[str]) -> Any:
    """The value with secrets hidden in its strings; the very same object where nothing changed."""
    if isinstance(value, str):
        text = redact(value, secrets)
        return value if text == value else text
    if isinstance(value, bytes):
        text = redact(value.decode("utf-8", "surrogateescape"), secrets)
        changed = text.encode("utf-8", "surrogateescape")
        return value if changed == value else changed
    if type(value) in (tuple, list):
        items = [_redacted(item, secrets) for item in value]
        same = all(a is b for a, b in zip(items, value, strict=True))
        return value if same else type(value)(items)
    if type(value) is dict:
        pairs = {_redacted(k, secrets): _redacted(v, secrets) for k, v in value.items()}
        return value if repr(pairs) == repr(value) else pairs
    return value


def _safe(render: Callable[[object], str], error: BaseException) -> str:
    try:
        return render(error)
    except Exception:  # noqa: BLE001  # somebody else's __str__; it cannot leak what it cannot print
        return ""


def _spellings(value: str) -> set[str]:
    """The value as it is, and as URLs and quoted texts spell it."""
    return {value, quote(value, safe=""), quote(value), quote_plus(value), repr(value)[1:-1]}


def _watch_logging() -> None:
    global _make_record
    if _make_record is None:
        _make_record = logging.getLogRecordFactory()
        logging.setLogRecordFactory(_redacting_record)


def _redacting_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    assert _make_record is not None  # noqa: S101  # set before this factory is installed
    record = _make_record(*args, **kwargs)
    record.msg = _redacted(record.msg, ())
    message = _safe(lambda _: record.getMessage(), Exception())
    if redact(message) != message:
        record.msg, record.args = redact(message), None
    if record.exc_info and record.exc_info[1] is not None and not scrub(record.exc_info[1]):
        error = DuckherdError(redact(_safe(repr, record.exc_info[1])))
        record.exc_info = (DuckherdError, error, record.exc_info[2])
    return record
