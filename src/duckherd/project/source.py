"""Asking a project's source database what is in it."""

from __future__ import annotations

from collections.abc import Sequence

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.model import Table, TableName
from duckherd.catalog.source import Source
from duckherd.secrets import guard, resolve_url


def read_catalog(url: str, tables: Sequence[TableName] | None = None) -> tuple[Table, ...]:
    """Tables and views of a source, its references resolved here.

    Raises:
        SecretError: a reference does not resolve in this process.
        SourceError: the database does not answer, or its scheme is unknown.
    """
    resolved = resolve_url(url)
    with guard():
        source = Source.parse(resolved)
        return dialect_for(source).catalog(source, tables)
