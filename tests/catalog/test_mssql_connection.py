from __future__ import annotations

import pytest

from duckherd.catalog.mssql_connection import (
    Server,
    connect,
    connection_string,
    login_timeout,
    rows,
    server,
)
from duckherd.catalog.mssql_errors import Deadlock, classify, connect_error, passes_by_itself
from duckherd.catalog.source import Source
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)

URL = "mssql://sa:p%40ss%3B%7Bw%7Drd@db:1433/erp"


def test_encryption_is_the_default():
    """Nothing weaker than an encrypted connection with a verified certificate unless asked."""
    assert connection_string(Source.parse(URL)) == (
        "Server={db,1433};Database={erp};UID={sa};PWD={p@ss;{w}}rd};Encrypt={yes}"
    )


def test_options_are_taken_in_our_spelling_and_in_microsofts():
    """`trust_server_certificate` and `TrustServerCertificate` mean the same."""
    ours = connection_string(Source.parse(f"{URL}?encrypt=no&trust_server_certificate=yes"))
    theirs = connection_string(Source.parse(f"{URL}?Encrypt=no&TrustServerCertificate=yes"))
    assert ours == theirs
    assert ours.endswith("Encrypt={no};TrustServerCertificate={yes}")


def test_an_option_cannot_smuggle_in_another_one():
    """A value with a semicolon or a brace stays one value."""
    text = connection_string(Source.parse(f"{URL}?application_intent=readonly%7D%3BEncrypt%3Dno"))
    assert text.endswith("ApplicationIntent={readonly}};Encrypt=no}")


def test_a_named_instance_needs_no_port():
    """The instance is part of the host, percent-encoded."""
    text = connection_string(Source.parse("mssql://u:p@host%5Cinst/db"))
    assert text.startswith("Server={host\\inst};")


@pytest.mark.parametrize(
    ("option", "hint"), [("encript=no", "encrypt"), ("trust_certificate=yes", "trust_server")]
)
def test_an_unknown_option_names_the_nearest(option: str, hint: str):
    """A misspelled option is never ignored."""
    with pytest.raises(SourceError, match="unknown option") as caught:
        connection_string(Source.parse(f"{URL}?{option}"))
    assert hint in (caught.value.hint or "")


def test_login_timeout_is_seconds():
    """It has a default and refuses what is no number."""
    assert login_timeout(Source.parse(URL)) == 15
    assert login_timeout(Source.parse(f"{URL}?login_timeout=3")) == 3
    with pytest.raises(SourceError, match="login_timeout='soon'"):
        login_timeout(Source.parse(f"{URL}?login_timeout=soon"))


@pytest.mark.parametrize(
    ("number", "kind", "again"),
    [
        (1205, Deadlock, True),
        (1222, SourceBusy, False),
        (40613, SourceUnreachable, True),
        (40501, SourceUnreachable, True),
        (49918, SourceUnreachable, True),
        (229, SourceDenied, False),
        (208, TableNotFound, False),
        (245, SourceError, False),
    ],
)
def test_errors_are_told_apart_by_number(number: int, kind: type[SourceError], again: bool):
    """Only what passes by itself is tried again at once."""
    found = classify(number, "Syntax error or access violation", "any wording, any language")
    assert found is kind
    assert passes_by_itself(found("x")) is again


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Login failed for user 'sa'.", SourceDenied),
        ("Database 'x' on server 'y' is not currently available.", SourceUnreachable),
        ("The service is currently busy. Retry the request after 10 seconds.", SourceUnreachable),
        ("Resource ID: 1. The request limit for the database is 60.", SourceUnreachable),
        ("Login failed for user 'u'. Reason: Server is in script upgrade mode.", SourceUnreachable),
        ("Database 'erp' is being recovered. Waiting until it is finished.", SourceUnreachable),
        ("the database system is not yet accepting connections", SourceUnreachable),
        ("Lock request time out period exceeded.", SourceBusy),
    ],
)
def test_errors_without_a_number_are_told_apart_by_wording(text: str, kind: type[SourceError]):
    """The driver hides the number of what happens while it connects."""
    assert classify(None, "", text) is kind


def test_a_password_in_a_drivers_message_is_withheld():
    """Whatever the driver repeats, the message shows no password."""
    error = connect_error(Source.parse(URL), ValueError("bad string PWD={p@ss;{w}rd}"))
    assert "p@ss" not in str(error)


def test_a_driver_without_its_libraries_says_what_to_install():
    """The driver's own message names no library."""
    error = connect_error(Source.parse(URL), ValueError("Failed to load the driver. Please read"))
    assert "libltdl7" in (error.hint or "")


def test_utf8_needs_2019():
    """Azure has no version that tells; Babelfish has no UTF-8 collations."""

    def make(major: int, *, azure: bool = False, babelfish: bool = False) -> Server:
        return Server("x", major, azure, babelfish, snapshot=False, read_committed_snapshot=False)

    assert make(15).utf8_collations
    assert not make(14).utf8_collations
    assert make(12, azure=True).utf8_collations
    assert not make(12, babelfish=True).utf8_collations


def test_a_wrong_password_is_refused_without_showing_it(mssql_url: str):
    """The message names the user and the source, never what was tried."""
    source = Source.parse(mssql_url)
    wrong = Source(
        source.dialect, source.host, source.port, source.user, "Wr0ng;{pass}", source.database,
        source.options,
    )  # fmt: skip
    with pytest.raises(SourceDenied, match="refused the login") as caught, connect(wrong):
        pass
    assert "Wr0ng" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_unknown_database_is_named(mssql_url: str):
    """A database that is not there is no matter of trying again."""
    source = Source.parse(mssql_url)
    wrong = Source(
        source.dialect, source.host, source.port, source.user, source.password, "no_such_db",
        source.options,
    )  # fmt: skip
    with pytest.raises(SourceDenied, match="no_such_db") as caught, connect(wrong):
        pass
    assert not passes_by_itself(caught.value)


def test_nobody_listens():
    """A closed port is unreachable, and transient."""
    source = Source.parse("mssql://sa:secret@127.0.0.1:1/db?login_timeout=2")
    with pytest.raises(SourceUnreachable, match="does not answer") as caught, connect(source):
        pass
    assert "secret" not in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_explained(mssql_url: str):
    """Encryption stays on and verified until the URL says otherwise."""
    source = Source.parse(mssql_url)
    strict = Source(
        source.dialect, source.host, source.port, source.user, source.password, source.database
    )
    try:
        with connect(strict):
            pytest.skip("the server's certificate is trusted on this machine")
    except SourceError as error:
        assert "trust_server_certificate=yes" in str(error)  # noqa: PT017 - either way is right


def test_a_connection_that_was_killed_is_replaced(mssql_url: str):
    """A connection lost while idle costs the next run nothing."""
    source = Source.parse(mssql_url)
    with connect(source) as one:
        spid = rows(one, "SELECT @@SPID")[0][0]
        with connect(source) as other:
            rows(other, f"KILL {spid}")
        with pytest.raises(SourceUnreachable):
            rows(one, "SELECT 1")
    with connect(source) as again:
        assert rows(again, "SELECT 1")[0][0] == 1
        assert server(again).description
