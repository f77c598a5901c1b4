"""Keeping secrets out of messages."""

from __future__ import annotations

import logging
import traceback

import pytest

from duckherd import secrets
from duckherd.errors import DuckherdError, SourceDenied

SECRET = "tr0ub4dor@&3 horse"


class ReadOnly(Exception):
    """An exception whose text cannot be changed from outside."""

    def __str__(self) -> str:
        return f"cannot connect with {SECRET}"


def _connect() -> None:
    raise ValueError({"dsn": [f"password={SECRET}"]})


def _raise_chained() -> None:
    try:
        _connect()
    except ValueError as error:
        error.add_note(f"while using {SECRET}")
        denied = SourceDenied("access denied for tr0ub4dor%40%263%20horse", hint=f"not {SECRET}")
        raise denied from error


def test_a_guarded_exception_shows_no_secret() -> None:
    """Message, hint, cause, notes and percent-encoded spellings are rewritten, the type stays."""
    with pytest.raises(SourceDenied) as caught, secrets.guard(SECRET):
        _raise_chained()
    text = "".join(traceback.format_exception(caught.value))
    assert "horse" not in text
    assert "access denied for ****" in text


def test_an_exception_that_cannot_be_rewritten_is_replaced() -> None:
    """A foreign exception that prints a secret from its own code does not get out."""
    with pytest.raises(DuckherdError) as caught, secrets.guard(SECRET):
        raise ReadOnly
    assert str(caught.value) == "ReadOnly: cannot connect with ****"
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_exception_groups_and_os_errors_are_rewritten() -> None:
    """Members of groups and texts kept in slots are found too."""
    inner = FileNotFoundError(2, f"no {SECRET}", f"/tmp/{SECRET}")
    with pytest.raises(ExceptionGroup) as caught, secrets.guard(SECRET):
        raise ExceptionGroup("several", [inner, OSError(f"x {SECRET}")])
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_resolved_values_never_reach_a_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once resolved, a value is hidden in messages, arguments and logged exceptions."""
    monkeypatch.setenv("DH_LOGGED", SECRET)
    secrets.resolve_url("postgresql://me:${env:DH_LOGGED}@db/shop")
    log = logging.getLogger("somebody.elses")
    log.warning("connecting with %s and %r", SECRET, {"password": SECRET})
    try:
        _connect()
    except ValueError:
        log.exception("failed: %s", "tr0ub4dor%40%263%20horse")
    assert "horse" not in caplog.text
    assert "password=****" in caplog.text


def test_a_password_inside_a_whole_url_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that comes from one reference has its password and secret options remembered."""
    monkeypatch.setenv(
        "DH_WHOLE", "postgresql://me:inner%40pw@db/shop?sslpassword=other-pw&sslkey_path=/k"
    )
    secrets.resolve_url("${env:DH_WHOLE}")
    assert secrets.redact("inner@pw inner%40pw other-pw /k") == "**** **** **** /k"


def test_hosts_and_users_from_the_environment_stay_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host taken from a variable is no secret: messages must still name it."""
    monkeypatch.setenv("DH_DBHOST", "reports-db")
    secrets.resolve_url("postgresql://${env:DH_DBHOST}/shop")
    assert secrets.redact("cannot reach reports-db") == "cannot reach reports-db"


def test_short_values_are_hidden_where_they_stand_alone() -> None:
    """A short password does not blot out the words it happens to be part of."""
    assert secrets.redact("password db: dbo.orders in db", ["db"]) == (
        "password ****: dbo.orders in ****"
    )
