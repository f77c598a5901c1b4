"""Resolving references: in a text as it is, and in a URL with percent-encoding."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from duckherd.secrets.providers import provider
from duckherd.secrets.reference import Reference, references, substitute
from duckherd.secrets.scrub import remember
from duckherd.secrets.url import Part, literals, parts

CACHE_SECONDS = 60.0
"""How long a process reuses what a secret manager told it."""

_LOCAL = frozenset({"env", "file"})
_cache: dict[tuple[str, str, str | None], tuple[float, str]] = {}


def resolve(text: str, *, base: Path | None = None) -> str:
    """The text with every `${provider:name}` replaced by its value and `$$` by `$`.

    The values are remembered, so that log records of this process hide them.

    Args:
        text: any text; what is no reference stays as it is.
        base: folder of relative `${file:...}` names; the working directory unless given.

    Raises:
        SecretError: a reference is malformed or does not resolve; no value is shown.
    """
    return substitute(text, lambda reference: _secret(reference, base))


def resolve_url(url: str, *, base: Path | None = None) -> str:
    """A URL with its references replaced, percent-encoded as their place demands.

    In `user:password@` and in the query every special character is encoded, so a
    password may hold `@`, `/` or `%`. Host, port and path take the value as it is, and
    so does a reference at the very beginning, which may stand for the whole URL.

    Raises:
        SecretError: as `resolve`.
    """
    found = {reference.start: _part_at(url, reference) for reference in references(url)}
    resolved = substitute(url, lambda reference: _placed(reference, found[reference.start], base))
    for literal in literals(resolved, opaque=False):
        remember(literal.value)
    return resolved


def _placed(reference: Reference, part: Part | None, base: Path | None) -> str:
    value = _fetch(reference, base)
    # Hiding a host or a user name from the environment would blot out half of every message.
    if reference.provider not in _LOCAL or (part is not None and part.secret):
        remember(value)
    return value if part is None else quote(value, safe="")


def _part_at(url: str, reference: Reference) -> Part | None:
    return next((part for part in parts(url) if part.start <= reference.start < part.end), None)


def _secret(reference: Reference, base: Path | None) -> str:
    value = _fetch(reference, base)
    remember(value)
    return value


def _fetch(reference: Reference, base: Path | None) -> str:
    if reference.provider == "file":
        path = (base or Path()) / Path(reference.name).expanduser()
        reference = replace(reference, name=str(path))
    if reference.provider in _LOCAL:
        return provider(reference.provider).fetch(reference)
    key = (reference.provider, reference.name, reference.key)
    until, value = _cache.get(key, (0.0, ""))
    if time.monotonic() >= until:
        value = provider(reference.provider).fetch(reference)
        _cache[key] = (time.monotonic() + CACHE_SECONDS, value)
    return value
