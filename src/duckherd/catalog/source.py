"""A source: a database URL, parsed, whose password never shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

from duckherd.errors import SourceError


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed source URL. `repr` and `str` hide the password and all options.

    Attributes:
        dialect: the scheme without a driver suffix, e.g. `postgresql`.
        database: path of the URL without its first slash; for file databases the path itself.
        options: the query string; a name given twice keeps its last value.
    """

    dialect: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @classmethod
    def parse(cls, url: str) -> Source:
        """Read `dialect://user:password@host:port/database?option=value`.

        `sqlite:///relative.db` and `sqlite:////absolute.db` are files, as in
        SQLAlchemy. User, password and database may be percent-encoded. Raises
        SourceError without ever repeating the URL, which may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SourceError(
                "the source URL cannot be read: its host or port is malformed",
                hint="percent-encode special characters of the password, e.g. @ as %40",
            ) from None
        if not parts.scheme or "://" not in url:
            raise SourceError(
                "the source URL has no scheme",
                hint="write it as postgresql://user:password@host:5432/database",
            )
        return cls(
            dialect=canonical_dialect(parts.scheme),
            host=parts.hostname,
            port=port,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password is not None else None,
            database=unquote(parts.path[1:]),
            options=MappingProxyType(dict(parse_qsl(parts.query, keep_blank_values=True))),
        )

    def __str__(self) -> str:
        if self.host is None:
            return f"{self.dialect}:///{self.database}"
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.dialect}://{user}{self.host}{port}/{self.database}"


_ALIASES = {
    "postgres": "postgresql",
    "sqlserver": "mssql",
    "mariadb": "mysql",
}


def canonical_dialect(scheme: str) -> str:
    """`postgres`, `postgresql+psycopg` -> `postgresql`; unknown schemes pass as they are."""
    name = scheme.lower().partition("+")[0]
    return _ALIASES.get(name, name)
