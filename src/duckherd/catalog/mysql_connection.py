"""Connections to MySQL and MariaDB: URL options, errors by the server's own numbers.

DuckDB's scanner gives a query a pooled connection of its own, outside any transaction:
what must be consistent is read in a single statement, which InnoDB answers from one
read view.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from duckherd.catalog import scanner
from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)

_OPTIONS = (
    "ssl_mode",
    "ssl_ca",
    "ssl_capath",
    "ssl_cert",
    "ssl_cipher",
    "ssl_crl",
    "ssl_crlpath",
    "ssl_key",
    "socket",
    "compress",
    "charset",
)

_SETTINGS = (
    # A TIMESTAMP is an instant: it is read in UTC and stays one.
    "SET GLOBAL mysql_session_time_zone = '+00:00'",
    # TINYINT(1) and BIT(1) hold more than two values.
    "SET GLOBAL mysql_tinyint1_as_boolean = false",
    "SET GLOBAL mysql_bit1_as_boolean = false",
)


@dataclass(frozen=True, slots=True)
class Server:
    """What the server is. `version` is its own text, e.g. `10.11.19-MariaDB`."""

    version: str

    @property
    def mariadb(self) -> bool:
        return "mariadb" in self.version.lower()


def attachment(source: Source) -> scanner.Attachment:
    """DuckDB's attachment of a MySQL source. Raises SourceError for unknown options."""
    given = dict(source.options)
    for name in given:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, n=1)
            raise SourceError(
                f"MySQL source: unknown option {name!r} in the URL",
                hint=f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_OPTIONS)}",
            )
    given.pop("charset", None)  # Always utf8mb4.
    # The driver's own default has the server compress every row: five times the work for both.
    given.setdefault("compress", "false")
    parts = {
        "host": source.host or "localhost",
        "port": str(source.port) if source.port else None,
        "user": source.user,
        "password": source.password,
        "database": source.database or None,
        **given,
    }
    dsn = " ".join(f"{key}={_dsn_value(value)}" for key, value in parts.items() if value)
    attach = "ATTACH '" + dsn.replace("'", "''") + f"' AS {scanner.SOURCE} (TYPE mysql, READ_ONLY)"
    return scanner.Attachment("mysql", (*_SETTINGS, attach))


def _dsn_value(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote(identifier: str) -> str:
    """An identifier quoted for MySQL, whatever the SQL mode."""
    return "`" + identifier.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal for MySQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def relation(sql: str) -> str:
    """A relation of DuckDB's whose rows MySQL's own query gives."""
    return f"mysql_query('{scanner.SOURCE}', '" + sql.replace("'", "''") + "')"


@contextlib.contextmanager
def session(
    source: Source, *, table: TableName | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of the engine; raises the SourceError that fits whatever goes wrong inside."""
    with translated(source, table):
        cursor = scanner.engine(attachment(source)).cursor()
        try:
            yield cursor
        finally:
            cursor.close()


def limited(
    sql: str, server: Server, statement_timeout: float | None, lock_timeout: float | None
) -> str:
    """A SELECT under limits of its own, seconds: the two servers say it differently."""
    limits = {}
    if server.mariadb:
        if statement_timeout is not None:
            limits["max_statement_time"] = f"{statement_timeout:g}"
        if lock_timeout is not None:
            limits["lock_wait_timeout"] = str(max(1, round(lock_timeout)))
        assigned = ", ".join(f"{name} = {value}" for name, value in limits.items())
        return f"SET STATEMENT {assigned} FOR {sql}" if assigned else sql
    hints = []
    if statement_timeout is not None:
        hints.append(f"MAX_EXECUTION_TIME({max(1, round(statement_timeout * 1000))})")
    if lock_timeout is not None:
        hints.append(f"SET_VAR(lock_wait_timeout = {max(1, round(lock_timeout))})")
    return sql.replace("SELECT ", f"SELECT /*+ {' '.join(hints)} */ ", 1) if hints else sql


@contextlib.contextmanager
def translated(source: Source, table: TableName | None = None) -> Iterator[None]:
    """Turn DuckDB's errors into ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(str(error), source, table) from None


# The driver hands on the server's texts without their numbers; these are the texts of the
# numbers that matter (https://mariadb.com/kb/en/mariadb-error-codes/).
_STOPPED = (
    "the query was stopped while rows were read: a statement timeout, a kill or a lost connection"
)
_NUMBERS = (
    (_STOPPED, 1317),
    (r"command denied to user", 1142),
    (r"Access denied for user '.*' to database", 1044),
    (r"Access denied", 1045),
    (r"Unknown database", 1049),
    (r"Table '.*' doesn't exist", 1146),
    (r"Lock wait timeout exceeded", 1205),
    (r"Deadlock found", 1213),
    (r"[Ss]erver has gone away", 2006),
    (r"Lost connection|Connection was killed|Server shutdown in progress", 2013),
    (r"Too many connections|max_user_connections", 1040),
    (r"Can't connect to|Unknown (MySQL |)server host", 2003),
    (r"max_statement_time exceeded|maximum statement execution time exceeded", 1969),
    (r"Query execution was interrupted", 1317),
)

_KINDS: Mapping[int, tuple[type[SourceError], str]] = {
    1142: (SourceDenied, "grant select on it to the user of the source URL"),
    1044: (SourceDenied, "grant the user of the source URL access to the database"),
    1045: (SourceDenied, "check user and password of the source URL"),
    1049: (SourceError, "check the database's name at the end of the source URL"),
    1146: (TableNotFound, "see what there is: duckherd sync"),
    1205: (SourceBusy, "another session holds the table; raise limits.lock_timeout"),
    1213: (SourceBusy, "another session holds the table; it may be tried again"),
    1040: (SourceBusy, "lower limits.max_connections, or raise the server's"),
    1969: (SourceBusy, "raise limits.statement_timeout, or read less with where or cursor"),
    1317: (SourceBusy, "raise limits.statement_timeout if it is set; else it may be tried again"),
    2003: (SourceUnreachable, "is the server up, is the address right? try: duckherd debug"),
    2006: (SourceUnreachable, "the connection was lost; it may be tried again"),
    2013: (SourceUnreachable, "the connection was lost; it may be tried again"),
}

_TRANSIENT = frozenset({1040, 1205, 1213, 2003, 2006, 2013})


def error_number(text: str) -> int | None:
    """The server's number of an error text, None where it is none we know."""
    return next((number for pattern, number in _NUMBERS if re.search(pattern, text)), None)


def is_transient(error: SourceError) -> bool:
    """Whether trying again unchanged may help, by the error's number."""
    return error_number(error.message) in _TRANSIENT


def translate(text: str, source: Source, table: TableName | None) -> SourceError:
    """Our error for an error text of DuckDB's, without password."""
    told = _cleaned(text, source)
    kind, hint = _KINDS.get(error_number(told) or 0, (SourceError, ""))
    what = f"{source}: {table}: {told}" if table else f"{source}: {told}"
    return kind(what, hint=hint or None)


def _cleaned(text: str, source: Source) -> str:
    """The server's own words: no query, no connection string, no password."""
    text = re.sub(r'^.*?with parameters\s+".*?": (?=[A-Z])', "", text, flags=re.DOTALL)
    # The driver loses the reason of what stops a query that has begun to give rows.
    text = re.sub(r"^.*Failed to fetch result row .*: \s*$", _STOPPED, text, flags=re.DOTALL)
    text = re.sub(r'^.*?(for MySQL|MySQL|run) query ".*": ', "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s*LINE \d+:.*", "", text, flags=re.DOTALL)
    text = re.sub(r"^(\w+ )*Error: ", "", text)
    if source.password:
        text = text.replace(source.password, "***")
    return " ".join(text.split())
