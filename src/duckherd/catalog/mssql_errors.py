"""SQL Server's errors, mapped to the error tree by number; by wording where it hides the number."""

from __future__ import annotations

import re

from duckherd.catalog.source import Source
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)


class Deadlock(SourceBusy):
    """A victim, or out of locks or memory: another try at once may pass, unlike after a timeout."""


# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
# and "Database engine events and errors". Only these are worth another try.
_DEADLOCK = {
    1204,  # no lock resources left
    1205,  # deadlock victim
    3961,  # the table was altered after the snapshot began
    8645,  # timeout waiting for memory
    8651,  # low memory
}
_UNAVAILABLE = {
    4221,  # login to a read-secondary that has not caught up
    10928, 10929,  # resource limit of the database or pool
    40143, 40197, 40501, 40540, 40613,  # service is busy, failing over or reconfiguring
    49918, 49919, 49920,  # not enough resources, too many operations
    976, 983, 978,  # availability group: replica not accessible or moving
    922, 6005, 17187, 18401,  # recovering, shutting down, starting, upgrading itself
}  # fmt: skip
_LOCK_TIMEOUT = {1222}
_DENIED = {229, 230, 297, 300, 916, 18456, 18470, 18486, 18487, 18488}
_MISSING = {208, 2706, 2812}

# Where the driver hides the number: the English of sys.messages for the same numbers.
_TEXTS = (
    (re.compile(r"(?i)deadlock|could not serialize"), Deadlock),
    (re.compile(r"(?i)lock request time ?out|due to lock timeout"), SourceBusy),
    (
        re.compile(
            r"is not currently available|service is currently busy|Error code 40197|"
            r"encountered an error processing your request|Resource ID ?:|"
            r"Not enough resources|[Tt]oo many (create or update )?operations|"
            # A server that restarts; Babelfish in PostgreSQL's words.
            r"not ready to accept|is being recovered|script upgrade mode|"
            r"not yet accepting connections|system is (starting up|shutting down|in recovery)",
        ),
        SourceUnreachable,
    ),
    (re.compile(r"(?i)permission (was )?denied|login failed|not able to access"), SourceDenied),
    (re.compile(r"(?i)invalid object name|relation .* does not exist"), TableNotFound),
)
# The driver's wording of SQLSTATE 28000, HYT00 / HYT01, 08xxx.
_STATES = (
    ("Invalid authorization specification", SourceDenied),
    ("Timeout expired", SourceBusy),
    ("Connection timeout expired", SourceUnreachable),
    ("Client unable to establish connection", SourceUnreachable),
    ("Communication link failure", SourceUnreachable),
    ("Connection not open", SourceUnreachable),
)


def classify(number: int | None, state: str, text: str) -> type[SourceError]:
    """The error class of a server's error.

    Args:
        number: SQL Server's error number, None where it could not be asked.
        state: the driver's wording of the SQLSTATE.
        text: the server's message.
    """
    for numbers, kind in (
        (_DEADLOCK, Deadlock),
        (_LOCK_TIMEOUT, SourceBusy),
        (_UNAVAILABLE, SourceUnreachable),
        (_DENIED, SourceDenied),
        (_MISSING, TableNotFound),
    ):
        if number in numbers:
            return kind
    for pattern, kind in _TEXTS:
        if pattern.search(text):
            return kind
    return next((kind for wording, kind in _STATES if wording in state), SourceError)


def passes_by_itself(error: SourceError) -> bool:
    """Whether trying again at once may help: a lost connection or a deadlock, no timeout."""
    return isinstance(error, Deadlock | SourceUnreachable)


_HINTS: dict[type[SourceError], str] = {
    SourceDenied: "let the login read it: GRANT SELECT ON schema.table TO user",
    SourceBusy: "try again, or raise limits.lock_timeout or limits.statement_timeout of the table",
}


def statement_error(number: int | None, error: Exception) -> SourceError:
    """The error tree's form of an error of a statement on an open connection."""
    text = _text(error)
    kind = classify(number, getattr(error, "driver_error", ""), text)
    shown = f" (error {number})" if number else ""
    return kind(f"SQL Server answered: {text}{shown}", hint=_HINTS.get(kind))


def _text(error: Exception) -> str:
    """The server's own words, without the driver's prefixes."""
    text = getattr(error, "ddbc_error", None) or str(error)
    return re.sub(r"^(\[[^\]]*\])+", "", str(text)).strip()


def connect_error(source: Source, error: Exception) -> SourceError:
    """The error tree's form of a failed connection; never holds the password."""
    text = _text(error)
    if source.password and source.password in text:
        text = "the driver's message is withheld because it repeats the password"
    if (wrong := _set_up_wrong(source, text)) is not None:
        return wrong
    kind = classify(None, getattr(error, "driver_error", ""), text)
    if kind is SourceDenied:
        return SourceDenied(
            f"{source} refused the login of user {source.user!r}: {text}",
            hint="check user and password; percent-encode special characters of the URL",
        )
    if re.search(r"(?i)cannot open database|database .* does not exist", text):
        return SourceDenied(
            f"{source} has no database {source.database!r} that user {source.user!r} may open",
            hint="check the path of the source URL: mssql://user:password@host/database",
        )
    if kind is SourceUnreachable:
        return SourceUnreachable(
            f"{source} does not answer: {text}", hint="is the server up, are host and port right?"
        )
    return kind(f"{source} refused the connection: {text}")


def _set_up_wrong(source: Source, text: str) -> SourceError | None:
    """What no server was asked about, or what fails before it knows who asks."""
    if "certificate" in text:
        return SourceError(
            f"{source} presents a certificate that is not trusted: {text}",
            hint="install its authority, or choose ?trust_server_certificate=yes in the URL",
        )
    if text.startswith("Failed to load the driver"):
        return SourceError(
            "Microsoft's driver for SQL Server misses libraries of the system",
            hint="apt-get install libkrb5-3 libgssapi-krb5-2 libltdl7, or their like elsewhere",
        )
    if text.startswith("Invalid value specified"):
        return SourceError(f"{source} cannot be opened: {text}", hint="fix the URL's options")
    return None
