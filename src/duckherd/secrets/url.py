"""Where in a URL secrets stand: its password and the options of its query that hold one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from duckherd.secrets.reference import references

_SECRET_OPTION = re.compile(
    r"passw|pwd|secret|token|private|\bsas\b|sas_"
    r"|(api|account|shared|storage|master|service_account|encryption)_?key$",
    re.IGNORECASE,
)
_NAMES_A_FILE = re.compile(r"(path|file|directory)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a URL.

    Attributes:
        kind: `user`, `password` or `query`.
        option: name of the query option, None elsewhere.
        start, end: 0-based half-open range of the value in the text.
    """

    kind: str
    option: str | None
    start: int
    end: int

    @property
    def secret(self) -> bool:
        """Whether what stands here must be kept secret."""
        if self.kind == "password":
            return True
        name = self.option or ""
        return bool(_SECRET_OPTION.search(name)) and not _NAMES_A_FILE.search(name)

    def __str__(self) -> str:
        return f"the value of {self.option!r}" if self.option else f"the {self.kind}"


@dataclass(frozen=True, slots=True)
class Literal:
    """A secret that is spelled out in a URL. `value` is percent-decoded."""

    part: Part
    value: str = field(repr=False)


def parts(url: str, *, opaque: bool = True) -> tuple[Part, ...]:
    """User, password and query values of a URL; empty for a plain path.

    Args:
        url: with or without references.
        opaque: treat references as letters, whatever their names hold.
    """
    masked = _mask(url) if opaque else url
    scheme = masked.find("://")
    if scheme < 0:
        return ()
    start = scheme + 3
    end = min(_find(masked, mark, start) for mark in "/?#")
    return (*_userinfo(masked, start, end), *_query(masked, end))


def literals(url: str, *, opaque: bool = True) -> tuple[Literal, ...]:
    """The secrets that a URL spells out. With `opaque`, one that holds a reference is none."""
    held = {reference.start for reference in references(url)} if opaque else set()
    return tuple(
        Literal(part, _decode(part, url[part.start : part.end]))
        for part in parts(url, opaque=opaque)
        if part.secret
        and part.end > part.start
        and not any(part.start <= at < part.end for at in held)
    )


def shape(url: str) -> str:
    """The URL with each reference replaced by `1`: parses like the resolved one."""
    for reference in reversed(references(url)):
        url = f"{url[: reference.start]}1{url[reference.end :]}"
    return url.replace("$$", "$")


def _mask(url: str) -> str:
    for reference in references(url):
        hole = "x" * (reference.end - reference.start)
        url = url[: reference.start] + hole + url[reference.end :]
    return url


def _userinfo(text: str, start: int, end: int) -> Iterator[Part]:
    at = text.rfind("@", start, end)
    if at < 0:
        return
    colon = text.find(":", start, at)
    yield Part("user", None, start, at if colon < 0 else colon)
    if colon >= 0:
        yield Part("password", None, colon + 1, at)


def _query(text: str, start: int) -> Iterator[Part]:
    mark = text.find("?", start)
    if mark < 0:
        return
    end = _find(text, "#", mark)
    position = mark + 1
    for pair in text[position:end].split("&"):
        name, equals, _ = pair.partition("=")
        if equals:
            yield Part("query", unquote_plus(name), position + len(name) + 1, position + len(pair))
        position += len(pair) + 1


def _find(text: str, mark: str, start: int) -> int:
    at = text.find(mark, start)
    return len(text) if at < 0 else at


def _decode(part: Part, value: str) -> str:
    return unquote_plus(value) if part.kind == "query" else unquote(value)
