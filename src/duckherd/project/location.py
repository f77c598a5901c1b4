"""Whether a project's source and lake are places that every run finds again."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.source import Source
from duckherd.secrets import shape

_FILES = frozenset({"sqlite", "duckdb"})
"""Dialects whose database is a file."""


def relative_source(url: str) -> bool:
    """Whether a source is a database file given by a relative path.

    Raises SourceError for a URL that cannot be read or whose scheme is unknown.
    """
    source = Source.parse(shape(url))
    dialect_for(source)
    absolute = source.database.startswith(("/", ":memory:"))
    return source.dialect in _FILES and source.host is None and not absolute


def relative_lake(url: str) -> bool:
    """Whether a lake is a local folder given by a relative path.

    Raises LakeError for a URL that is no lake's.
    """
    from duckherd.lake.location import Location

    Location.parse(shape(url))
    return "://" not in url and not url.startswith(("/", "~"))


def absolute_source(url: str) -> str:
    """The URL of a database file with its whole path; other URLs as they are."""
    if url.startswith("${") or not relative_source(url):
        return url
    scheme, _, rest = url.partition(":///")
    path, question, options = rest.partition("?")
    return f"{scheme}:///{quote(str(Path.cwd()))}/{path}{question}{options}"


def absolute_lake(url: str) -> str:
    """A local folder with its whole path; other lakes as they are."""
    if url.startswith("${") or not relative_lake(url):
        return url
    return str(Path.cwd() / url)
