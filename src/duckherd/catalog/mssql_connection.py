"""Connections to SQL Server: URL options, session settings, what the server is.

Connections come from the pool of `mssql-python`, one per process and connection
string: it checks that a connection is alive and resets its session before use.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import mssql_python

from duckherd.catalog.mssql_errors import connect_error, statement_error
from duckherd.catalog.source import Source
from duckherd.errors import SourceError

LOGIN_TIMEOUT = 15

# Our option names, with what Microsoft's connection strings call them.
_OPTIONS = {
    "encrypt": "Encrypt",
    "trust_server_certificate": "TrustServerCertificate",
    "host_name_in_certificate": "HostnameInCertificate",
    "server_certificate": "ServerCertificate",
    "application_intent": "ApplicationIntent",
    "multi_subnet_failover": "MultiSubnetFailover",
    "authentication": "Authentication",
    "trusted_connection": "Trusted_Connection",
    "login_timeout": "",
}


@dataclass(frozen=True, slots=True)
class Server:
    """What a connection needs to know of the server behind it.

    Attributes:
        description: name and version, one line.
        major: major version, e.g. 16 for SQL Server 2022; 12 for Azure SQL Database.
        azure: Azure SQL Database or Managed Instance, whose features follow no version.
        babelfish: PostgreSQL that speaks TDS: fewer catalog views, text stored as UTF-8.
        snapshot: SNAPSHOT isolation is allowed in this database.
        read_committed_snapshot: READ COMMITTED reads row versions in this database.
    """

    description: str
    major: int
    azure: bool
    babelfish: bool
    snapshot: bool
    read_committed_snapshot: bool

    @property
    def utf8_collations(self) -> bool:
        """Whether text can be encoded as UTF-8 inside a query (SQL Server 2019 and later)."""
        return not self.babelfish and (self.azure or self.major >= 15)


def connection_string(source: Source) -> str:
    """The ODBC connection string of a source, password included.

    Encryption with a verified certificate is the default, as the driver's own is;
    anything weaker is taken only from the URL.
    """
    options = _options(source.options)
    server = unquote(source.host or "localhost")
    parts = {
        "Server": f"{server},{source.port}" if source.port else server,
        "Database": source.database,
        "UID": source.user,
        "PWD": source.password,
        "Encrypt": "yes",
        **options,
    }
    return ";".join(f"{key}={_braced(value)}" for key, value in parts.items() if value)


def _options(options: Mapping[str, str]) -> dict[str, str]:
    """Driver keywords of the URL's options; `TrustServerCertificate` is taken as well."""
    known = {_plain(name): keyword for name, keyword in _OPTIONS.items()}
    found: dict[str, str] = {}
    for name, value in options.items():
        if _plain(name) not in known:
            nearest = difflib.get_close_matches(name.lower(), _OPTIONS, n=1)
            raise SourceError(
                f"unknown option {name!r} in the source URL; known are {', '.join(_OPTIONS)}",
                hint=f"did you mean {nearest[0]!r}?" if nearest else None,
            )
        if keyword := known[_plain(name)]:
            found[keyword] = value
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"


def login_timeout(source: Source) -> int:
    """Seconds to wait for a connection. Raises SourceError where it is no whole number."""
    text = next((v for k, v in source.options.items() if _plain(k) == "logintimeout"), None)
    if text is None:
        return LOGIN_TIMEOUT
    if not text.isdigit() or int(text) == 0:
        raise SourceError(f"login_timeout={text!r} is not a number of seconds above 0")
    return int(text)


@contextmanager
def connect(source: Source, *, statement_timeout: float | None = None) -> Iterator[Any]:
    """An open connection in autocommit mode; closed (back to the pool) at the end.

    Raises SourceUnreachable, SourceDenied or SourceError; no message holds the password.
    """
    try:
        connection = mssql_python.connect(
            connection_string(source), autocommit=True, timeout=login_timeout(source)
        )
    except (mssql_python.Error, ConnectionError, RuntimeError, ValueError) as error:
        raise connect_error(source, error) from None
    try:
        # Whole seconds: the driver knows no finer timeout, and 0 would mean none.
        connection.timeout = max(1, round(statement_timeout)) if statement_timeout else 0
        yield connection
    finally:
        with suppress(mssql_python.Error):  # a lost connection cannot be closed in order
            connection.close()


def disconnect() -> None:
    """Close the driver's idle connections; it has one pool for all sources of a process."""
    mssql_python.pooling(enabled=False)
    mssql_python.pooling()


def rows(connection: Any, sql: str, *parameters: object) -> list[Any]:
    """All rows of a small result. Raises the error tree's SourceError."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, *parameters)
            return list(cursor.fetchall()) if cursor.description else []
    except mssql_python.Error as error:
        raise raised(connection, error) from None


def session(connection: Any, *, lock_timeout: float | None, snapshot: bool) -> None:
    """Be a good guest: bounded waiting for locks, and the victim of any deadlock.

    The isolation level is always set: resetting a pooled connection does not reset it.
    """
    level = "SNAPSHOT" if snapshot else "READ COMMITTED"
    milliseconds = -1 if lock_timeout is None else round(lock_timeout * 1000)
    rows(
        connection,
        f"SET TRANSACTION ISOLATION LEVEL {level}; SET LOCK_TIMEOUT {milliseconds}; "
        "SET DEADLOCK_PRIORITY LOW; SET QUOTED_IDENTIFIER ON",
    )


_SERVER = """
SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
       CAST(SERVERPROPERTY('Edition') AS nvarchar(128)),
       CAST(SERVERPROPERTY('EngineEdition') AS int),
       CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128)),
       CAST(d.snapshot_isolation_state AS int), CAST(d.is_read_committed_snapshot_on AS int)
FROM sys.databases d WHERE d.name = DB_NAME()
"""


def server(connection: Any) -> Server:
    """Ask the server what it is, one query."""
    version, edition, engine, babelfish, snapshot, rcsi = rows(connection, _SERVER)[0]
    name = f"Babelfish {babelfish}" if babelfish else f"Microsoft SQL Server {version}"
    return Server(
        description=f"{name} ({edition})",
        major=int(version.partition(".")[0]),
        azure=engine in {5, 8},
        babelfish=babelfish is not None,
        snapshot=snapshot == 1,
        read_committed_snapshot=rcsi == 1,
    )


def raised(connection: Any, error: Exception) -> SourceError:
    """The error tree's form of an error of a statement on `connection`."""
    return statement_error(_number(connection), error)


def _number(connection: Any) -> int | None:
    """The number of the session's last error: the driver's exceptions carry none."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@ERROR")
            return cursor.fetchone()[0] or None
    except Exception:  # noqa: BLE001 - the connection is gone: there is nobody to ask
        return None
