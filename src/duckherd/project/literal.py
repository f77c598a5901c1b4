"""Taking spelled-out secrets out of a URL: references in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from duckherd.secrets import literals


@dataclass(frozen=True, slots=True)
class Referenced:
    """A URL without secrets.

    Attributes:
        url: with `${env:NAME}` where a secret stood.
        variables: the names, in order: what must be exported.
    """

    url: str
    variables: tuple[str, ...] = ()


def referenced(url: str, prefix: str) -> Referenced:
    """The URL with a reference for each secret it spells out.

    `postgresql://me:pw@db/shop` and `DUCKHERD_SOURCE` give `${env:DUCKHERD_SOURCE_PASSWORD}`.
    """
    names: list[str] = []
    for literal in reversed(literals(url)):
        part = literal.part
        name = f"{prefix}_{re.sub(r'[^A-Z0-9]+', '_', (part.option or 'password').upper())}"
        url = f"{url[: part.start]}${{env:{name}}}{url[part.end :]}"
        names.insert(0, name)
    return Referenced(url, tuple(dict.fromkeys(names)))
