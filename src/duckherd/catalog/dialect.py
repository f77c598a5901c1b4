"""The port every database implements, and where its implementations are found.

A dialect is found by the scheme of the source URL among the entry points of the
group `duckherd.dialects`, after the ones duckherd brings itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, cast

from duckherd.errors import SourceError

if TYPE_CHECKING:
    from duckherd.catalog.model import Table, TableName
    from duckherd.catalog.source import Source
    from duckherd.extract.model import Extract, Request


class Dialect(Protocol):
    """What duckherd asks of a database. Implementations hold no connection state
    that a caller must close; they may keep a checked pool inside the process.
    """

    name: str

    def quote(self, identifier: str) -> str:
        """The identifier quoted for the dialect, any character allowed."""
        ...

    def check_source(self, source: Source) -> str:
        """Connect once and return the server's name and version, one line."""
        ...

    def catalog(
        self, source: Source, tables: Sequence[TableName] | None = None
    ) -> tuple[Table, ...]:
        """Tables and views the user may see, system schemas left out, ordered by name.

        A constant number of queries whatever the number of tables. With `tables`,
        only those (the ones that do not exist are simply absent).
        """
        ...

    def extract(self, request: Request) -> Extract:
        """Read one consistent view of the table into `request.spool`."""
        ...

    def disconnect(self, source: Source) -> None:
        """Close the connections kept for further reads of this source, if any."""
        ...


_OWN = {
    "sqlite": ("duckherd.extract.sqlite", None),
    "postgresql": ("duckherd.extract.postgres", None),
    "mysql": ("duckherd.extract.mysql", "mysql"),
    "mssql": ("duckherd.extract.mssql", "mssql"),
    "oracle": ("duckherd.extract.oracle", "oracle"),
    "duckdb": ("duckherd.extract.duckdb", None),
}


def dialect_for(source: Source) -> Dialect:
    """The dialect of a source. Raises SourceError for an unknown scheme or a missing extra."""
    if source.dialect in _OWN:
        module, extra = _OWN[source.dialect]
        try:
            return cast("Dialect", import_module(module).DIALECT)
        except ModuleNotFoundError as error:
            if extra is None or (error.name or "").startswith("duckherd"):
                raise
            raise SourceError(
                f"reading {source.dialect} needs the package {error.name!r}",
                hint=f"pip install 'duckherd[{extra}]'",
            ) from error
    for entry in entry_points(group="duckherd.dialects", name=source.dialect):
        return cast("Dialect", entry.load())
    known = sorted({*_OWN, *(entry.name for entry in entry_points(group="duckherd.dialects"))})
    raise SourceError(
        f"unknown source scheme {source.dialect!r}; known are {', '.join(known)}",
        hint="write the source as dialect://user:password@host:port/database",
    )
