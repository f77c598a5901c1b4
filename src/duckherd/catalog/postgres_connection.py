"""Connections to PostgreSQL: URL options, session settings, errors by SQLSTATE."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

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
    "host",
    "hostaddr",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslnegotiation",
    "channel_binding",
    "gssencmode",
    "krbsrvname",
    "target_session_attrs",
    "load_balance_hosts",
    "connect_timeout",
    "application_name",
    "options",
    "passfile",
)

# How the server prints values: fixed, so that a bound or a text column reads the same
# whatever the role's or the database's own settings are.
_PRINTING = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    # Compiling the select list anew for each slice costs more than it gains.
    "jit": "off",
}


_ROW_SECURITY = "row_security"
"""Option of ours: `on` takes the rows that policies leave, by default they are an error."""


def attachment(source: Source) -> scanner.Attachment:
    """DuckDB's attachment of a PostgreSQL source. Raises SourceError for unknown options."""
    given = dict(source.options)
    known = (*_OPTIONS, _ROW_SECURITY)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SourceError(
                f"PostgreSQL source: unknown option {name!r} in the URL",
                hint=f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}",
            )
    if given.pop(_ROW_SECURITY, "off") not in ("on", "off"):
        value = source.options[_ROW_SECURITY]
        raise SourceError(f"PostgreSQL source: row_security={value!r} in the URL is not on or off")
    parts = {
        "host": source.host or "localhost",
        "port": str(source.port) if source.port else None,
        "user": source.user,
        "password": source.password,
        "dbname": source.database or None,
        "client_encoding": "UTF8",
        "application_name": "duckherd",
        "connect_timeout": "15",
        "keepalives_idle": "30",
        **given,
    }
    dsn = " ".join(f"{key}={_dsn_value(value)}" for key, value in parts.items() if value)
    attach = f"ATTACH {literal(dsn)} AS {scanner.SOURCE} (TYPE postgres, READ_ONLY)"
    return scanner.Attachment("postgres", (attach,))


def _dsn_value(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def literal(text: str) -> str:
    """A string literal for PostgreSQL and DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def relation(sql: str) -> str:
    """A relation of DuckDB's whose rows PostgreSQL's own query gives."""
    return f"postgres_query('{scanner.SOURCE}', {literal(sql)})"


@contextlib.contextmanager
def session(
    source: Source,
    *,
    table: TableName | None = None,
    snapshot: str | None = None,
    statement_timeout: float | None = None,
    lock_timeout: float | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in a read-only transaction that sees one snapshot.

    `table` is named in errors and in the application name. `snapshot` was exported by
    another session, to see exactly what that one sees. Timeouts are seconds, None for
    the server's own. Raises the SourceError that fits whatever goes wrong inside the block.
    """
    what = attachment(source)
    with translated(source, table), scanner.transaction(what) as cursor:
        # As pg_dump does: rows that a policy hides would be missing without a word.
        settings = {**_PRINTING, _ROW_SECURITY: source.options.get(_ROW_SECURITY, "off")}
        if table is not None:
            settings["application_name"] = f"duckherd {table}"[:63]
        if statement_timeout is not None:
            settings["statement_timeout"] = f"{max(1, round(statement_timeout * 1000))}ms"
        if lock_timeout is not None:
            settings["lock_timeout"] = f"{max(1, round(lock_timeout * 1000))}ms"
        join = [] if snapshot is None else [f"SET TRANSACTION SNAPSHOT {literal(snapshot)}"]
        _run(cursor, [*join, *_set_locally(settings)])
        yield cursor


def _set_locally(settings: Mapping[str, str]) -> list[str]:
    # Local to the transaction: right behind a pooler too, nothing sticks to a reused connection.
    return [f"SET LOCAL {name} = {literal(value)}" for name, value in settings.items()]


def _run(cursor: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> None:
    """All statements in one round trip."""
    together = literal("; ".join(statements))
    cursor.execute(f"CALL postgres_execute('{scanner.SOURCE}', {together})")


@contextlib.contextmanager
def translated(source: Source, table: TableName | None = None) -> Iterator[None]:
    """Turn DuckDB's errors into ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(str(error), source, table) from None


# The driver hands on texts, not codes; these are the texts of the codes that matter. Those of
# libpq itself are never translated; those of a server with another language fall to SourceError.
_LOST = (
    r"server closed the connection|connection to server was lost|connection not open"
    r"|no connection to the server|could not (receive|send) data|SSL SYSCALL|EOF detected"
    r"|SSL connection has been closed|Connection reset|Broken pipe"
)
_UNREACHABLE = (
    r"Connection refused|could not translate host name|timeout expired|timed out"
    r"|No route to host|Network is unreachable|No such file or directory|could not connect"
)
_POLICY = r"row-level security policy"
_STATES = (
    (r"password authentication failed|authentication failed|no password supplied", "28P01"),
    (r"no pg_hba\.conf entry|role \".*\" (does not exist|is not permitted to log in)", "28000"),
    (r"database \".*\" does not exist", "3D000"),
    (r"permission denied", "42501"),
    (_POLICY, "42501"),
    (r"relation \".*\" does not exist|schema \".*\" does not exist", "42P01"),
    (r"deadlock detected", "40P01"),
    (r"could not serialize access|conflict with recovery", "40001"),
    (r"invalid snapshot identifier|snapshot \".*\" does not exist|could not import the", "40001"),
    (r"canceling statement due to lock timeout", "55P03"),
    (r"canceling statement due to statement timeout", "57014"),
    (r"terminating connection due to", "57P01"),
    (r"starting up|shutting down|in recovery mode|not yet accepting connections", "57P03"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (_LOST, "08006"),
    (_UNREACHABLE, "08001"),
)

_TRANSIENT = re.compile(r"40001|40P01|08...|57P0[123]|53300")


def sqlstate(text: str) -> str | None:
    """The SQLSTATE of an error text, None where it tells none we know."""
    return next((state for pattern, state in _STATES if re.search(pattern, text)), None)


def is_transient(error: SourceError) -> bool:
    """Whether trying again unchanged may help, by the error's SQLSTATE."""
    state = sqlstate(error.message)
    return state is not None and _TRANSIENT.fullmatch(state) is not None


_KINDS: Mapping[str, tuple[type[SourceError], str]] = {
    "28P01": (SourceDenied, "check user and password of the source URL"),
    "28000": (SourceDenied, "check user and password of the source URL"),
    "3D000": (SourceError, "check the database's name at the end of the source URL"),
    "42501": (SourceDenied, "grant select on it to the user of the source URL"),
    "42P01": (TableNotFound, "see what there is: duckherd sync"),
    "40001": (SourceBusy, "another session changed what this one reads; it may be tried again"),
    "40P01": (SourceBusy, "another session holds the table; it may be tried again"),
    "55P03": (SourceBusy, "another session holds the table; raise limits.lock_timeout"),
    "57014": (SourceBusy, "raise limits.statement_timeout, or read less with where or cursor"),
    "53300": (SourceBusy, "lower limits.max_connections, or raise the server's"),
    "57P01": (SourceUnreachable, "the server ended the connection; it may be tried again"),
    "57P03": (SourceUnreachable, "the server is starting or stopping; it may be tried again"),
    "08006": (SourceUnreachable, "the connection was lost; it may be tried again"),
    "08001": (SourceUnreachable, "is the server up, is the address right? try: duckherd debug"),
}


def translate(text: str, source: Source, table: TableName | None) -> SourceError:
    """Our error for an error text of DuckDB's, without password."""
    told = _cleaned(text, source)
    state = sqlstate(told)
    refused = state is None and "Unable to connect" in text
    kind, hint = _KINDS.get("28000" if refused else state or "", (SourceError, ""))
    if re.search(_POLICY, told):  # one code, another way out
        hint = (
            "a policy hides rows: give the user BYPASSRLS, or take what it sees: ?row_security=on"
        )
    what = f"{source}: {table}: {told}" if table else f"{source}: {told}"
    return kind(what, hint=hint or None)


def _cleaned(text: str, source: Source) -> str:
    """The server's own words: no query, no connection string, no password."""
    text = re.sub(r'Unable to connect to Postgres at ".*?": (?=\S)', "", text, flags=re.DOTALL)
    text = re.sub(r'^.*?Failed to (prepare|execute) query ".*": ', "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s*LINE \d+:.*", "", text, flags=re.DOTALL)
    text = re.sub(r"^(\w+ )*Error: (Failed to fetch header for COPY.*?: )?", "", text)
    if source.password:
        text = text.replace(source.password, "***")
    return " ".join(text.split())
