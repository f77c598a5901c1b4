"""Sources and lakes in the file: secrets taken out, paths made whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.project.literal import referenced
from duckherd.project.location import absolute_lake, absolute_source
from duckherd.secrets import literals, resolve_url


@pytest.mark.parametrize(
    ("url", "expected", "variables"),
    [
        ("postgresql://me:pw@db/x", "postgresql://me:${env:P_PASSWORD}@db/x", ("P_PASSWORD",)),
        ("postgresql://me@db/x", "postgresql://me@db/x", ()),
        ("postgresql://me:${env:PW}@db/x", "postgresql://me:${env:PW}@db/x", ()),
        (
            "s3://b?access_key_id=AK&secret_access_key=s%2Fk&session_token=t",
            (
                "s3://b?access_key_id=AK&secret_access_key=${env:P_SECRET_ACCESS_KEY}"
                "&session_token=${env:P_SESSION_TOKEN}"
            ),
            ("P_SECRET_ACCESS_KEY", "P_SESSION_TOKEN"),
        ),
        ("s3://b?web_identity_token_file=/t", "s3://b?web_identity_token_file=/t", ()),
        ("gs://b?application_credentials=/c.json", "gs://b?application_credentials=/c.json", ()),
        ("/data/a@b:c?d=e", "/data/a@b:c?d=e", ()),
    ],
)
def test_secrets_become_references(url: str, expected: str, variables: tuple[str, ...]) -> None:
    """Each spelled-out secret gets a variable of its own; the rest stays as it was."""
    found = referenced(url, "P")
    assert (found.url, found.variables) == (expected, variables)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_no_secret_is_left(password: str) -> None:
    """Whatever the password, it is gone, and comes back when its variable holds it."""
    from urllib.parse import quote

    url = f"mysql://me:{quote(password, safe='')}@db/x"
    found = referenced(url, "DH")
    assert literals(found.url) == ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DH_PASSWORD", password)
        assert resolve_url(found.url) == url


def test_paths_are_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only local paths that are relative change."""
    monkeypatch.chdir(tmp_path)
    assert absolute_source("sqlite:///a/b.db?mode=ro") == f"sqlite:///{tmp_path}/a/b.db?mode=ro"
    assert absolute_lake("lake") == f"{tmp_path}/lake"
    for url in ("sqlite:////a.db", "postgresql://db/x", "${env:URL}"):
        assert absolute_source(url) == url
    for url in ("/lake", "s3://b/lake", "file:///lake", "${env:LAKE}"):
        assert absolute_lake(url) == url
