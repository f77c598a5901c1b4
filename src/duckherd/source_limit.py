"""The Prefect global concurrency limit that bounds the connections to one source.

Every run of every table of a source occupies as many slots as it opens connections,
on whatever worker or host it runs: `max_connections` holds across the whole herd.
"""

from __future__ import annotations

import hashlib
import re

from duckherd.catalog.source import Source

_FILES = frozenset({"sqlite", "duckdb"})
"""Dialects without a server: nothing to spare."""


def limit_name(source_url: str) -> str | None:
    """Name of the limit of a source, the same for its reference and its resolved form.

    Credentials and options take no part, so that the name tells nothing and two
    users of one database share its limit. None for file databases.
    """
    bare = re.sub(r"://.*@", "://", source_url.partition("?")[0], count=1)
    bare = re.sub(r"\$\{[^}]*\}", "-", bare)
    source = Source.parse(bare)
    if source.dialect in _FILES:
        return None
    place = f"{source.dialect}-{source.host}-{source.port or 'default'}-{source.database}"
    slug = re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-")
    digest = hashlib.sha256(place.encode()).hexdigest()[:6]
    return f"duckherd-{slug[:60]}-{digest}"
