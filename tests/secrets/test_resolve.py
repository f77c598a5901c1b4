"""Resolving references in texts and URLs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.catalog.source import Source
from duckherd.errors import SecretError
from duckherd.secrets import references, resolve, resolve_url

AWKWARD = "p@ss:w/o?r#d%20&=+ ${env:X}$$é"


def test_values_replace_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reference is replaced by its value and the rest of the text stays."""
    monkeypatch.setenv("DH_ONE", "1")
    monkeypatch.setenv("DH_TWO", "2")
    assert resolve("a${env:DH_ONE}b${env:DH_TWO}c $x") == "a1b2c $x"


def test_two_dollars_are_one_plain_dollar() -> None:
    """`$$` is an escape: `$${env:X}` is text, not a reference."""
    assert resolve("$${env:NOT_ASKED}") == "${env:NOT_ASKED}"
    assert references("$${env:NOT_ASKED}") == ()


def test_resolved_values_are_not_resolved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that looks like a reference is taken as it is."""
    monkeypatch.setenv("DH_ODD", AWKWARD)
    assert resolve("${env:DH_ODD}") == AWKWARD


def test_a_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    """One line break at the end of a secret file is not part of the secret."""
    (tmp_path / "pw").write_bytes(b"s3cret \r\n")
    assert resolve("${file:pw}", base=tmp_path) == "s3cret "
    assert resolve(f"${{file:{tmp_path}/pw}}") == "s3cret "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${env:DH_UNSET}", "environment variable 'DH_UNSET' of ${env:DH_UNSET} is not set"),
        ("${env:DH_EMPTY}", "is empty"),
        ("${file:/nowhere/pw}", "/nowhere/pw cannot be read: No such file or directory"),
        ("${HOME}", "for example ${env:HOME}"),
        ("${env:}", "is not a secret reference"),
        ("${evn:X}", "did you mean ${env:X}?"),
        ("x${env:X", "not closed"),
    ],
)
def test_a_bad_reference_is_named(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that cannot be resolved is an error that says which and what to do."""
    monkeypatch.setenv("DH_EMPTY", "")
    with pytest.raises(SecretError) as caught:
        resolve(text)
    assert message.replace("for example", "e.g.") in str(caught.value)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_password_survives_a_url(password: str) -> None:
    """Whatever characters a password has, the parsed URL gives them back."""
    password = password.encode("utf-8", "ignore").decode() or "x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DH_PASSWORD", password)
        url = resolve_url("postgresql://me:${env:DH_PASSWORD}@db:5432/shop?key=${env:DH_PASSWORD}")
    source = Source.parse(url)
    assert (source.user, source.password, source.host) == ("me", password, "db")
    assert source.options["key"] == password


def test_host_and_database_are_inserted_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only user, password and query are percent-encoded."""
    monkeypatch.setenv("DH_HOST", "db.example:5433")
    monkeypatch.setenv("DH_PATH", "folder/shop")
    assert resolve_url("postgresql://${env:DH_HOST}/${env:DH_PATH}") == (
        "postgresql://db.example:5433/folder/shop"
    )


def test_a_reference_may_be_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that holds a complete URL is used as it is."""
    monkeypatch.setenv("DH_URL", "postgresql://me:p%40ss@db/shop")
    assert resolve_url("${env:DH_URL}") == "postgresql://me:p%40ss@db/shop"


def test_names_with_url_characters_do_not_confuse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A reference name with slashes, colons or @ is no part of the URL's structure."""
    (tmp_path / "a@b").mkdir()
    (tmp_path / "a@b" / "pw?x").write_text("p@ss")
    url = resolve_url("mysql://me:${file:a@b/pw?x}@db/shop", base=tmp_path)
    assert urlsplit(url).hostname == "db"
    assert unquote(urlsplit(url).password or "") == "p@ss"
