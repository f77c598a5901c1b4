"""The grammar of secret references: `${provider:name}`, and `$$` for a plain dollar sign."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from duckherd.errors import SecretError

PROVIDERS = ("env", "file", "prefect", "gcp", "aws", "azure", "vault")

_TOKEN = re.compile(r"\$\$|\$\{([^{}]*)(\}?)")


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference in a text.

    Attributes:
        provider: one of `PROVIDERS`.
        name: what the provider calls the secret, without the key.
        key: the part after `#`, one field of a secret that holds JSON; None without one.
        start, end: 0-based half-open range of the reference in its text.
    """

    provider: str
    name: str
    key: str | None
    start: int
    end: int

    def __str__(self) -> str:
        key = "" if self.key is None else f"#{self.key}"
        return f"${{{self.provider}:{self.name}{key}}}"


def references(text: str) -> tuple[Reference, ...]:
    """All references of a text, in order.

    Raises SecretError for one that is malformed or names an unknown provider; the
    message shows the reference, which is no secret, and nothing else of the text.
    """
    return tuple(_parse(match) for match in _TOKEN.finditer(text) if match[0] != "$$")


def substitute(text: str, value_of: Callable[[Reference], str]) -> str:
    """The text with each reference replaced by `value_of(reference)` and `$$` by `$`."""
    return _TOKEN.sub(lambda match: "$" if match[0] == "$$" else value_of(_parse(match)), text)


def _parse(match: re.Match[str]) -> Reference:
    body, closing = match[1], match[2]
    if not closing:
        raise SecretError(
            "a secret reference is not closed: '${' without '}'",
            hint="write it as ${env:NAME}; a plain ${ is written $${",
        )
    provider, colon, name = body.partition(":")
    if not colon or not name:
        raise SecretError(
            f"{match[0]!r} is not a secret reference",
            hint=f"write it as ${{provider:name}}, e.g. ${{env:{body.strip(':') or 'NAME'}}}",
        )
    if provider not in PROVIDERS:
        nearest = difflib.get_close_matches(provider, PROVIDERS, n=1)
        raise SecretError(
            f"unknown secret provider {provider!r} in {match[0]!r}; "
            f"known are {', '.join(PROVIDERS)}",
            hint=f"did you mean ${{{nearest[0]}:{name}}}?" if nearest else None,
        )
    name, hash_, key = (name, "", "") if provider in {"env", "file"} else name.partition("#")
    return Reference(provider, name, key if hash_ else None, *match.span())
