"""Names of sources, deployments, tags and variables, made from what databases allow."""

from __future__ import annotations

import hashlib
import re

from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source

_BANNED = re.compile(r"[/%&<>]")
"""What Prefect allows in no name."""

_TAKEN = frozenset({"default", "nightly", "hourly"})
"""Anchors of the schedules in a scaffolded file."""


def deployment_name(source_name: str, table: TableName) -> str:
    """`erp.sales.orders`; characters that Prefect refuses become `_`, with a short hash."""
    name = f"{source_name}.{table}"
    safe = _BANNED.sub("_", name).replace("{{", "__")
    # Prefect cuts ".py" off: the name of a script to it.
    safe = f"{safe[:-3]}_py" if safe.endswith(".py") else safe
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def source_name(source: Source) -> str:
    """A short name for a source: of its database, or its host where it has none."""
    path = source.database.rstrip("/")
    last = path.rpartition("/")[2].rpartition("\\")[2]
    stem = last.rpartition(".")[0] or last
    return anchor(stem or source.host or source.dialect)


def anchor(text: str) -> str:
    """The text as a YAML anchor: letters, digits and `_`, beginning with a letter."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    if not name[:1].isalpha():
        name = f"source_{name}".rstrip("_")
    return f"{name}_source" if name in _TAKEN else name
