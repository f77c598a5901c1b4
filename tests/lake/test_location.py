from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from duckherd.catalog.model import TableName
from duckherd.errors import LakeDenied, LakeError, LakeUnreachable
from duckherd.lake import open_lake
from duckherd.lake.location import Location

SECRET = "wJalr+XUt/nFEMI=%zz"
S3 = f"s3://bucket/a/b/?region=eu-central-1&access_key_id=AKIA&secret_access_key={SECRET}"
ORDERS = TableName("sales", "orders")


@pytest.mark.parametrize(
    ("url", "scheme", "root", "prefix"),
    [
        ("/data/lake", "file", "/data/lake", ""),
        ("file:///data/my%20lake", "file", "/data/my lake", ""),
        ("file://localhost/data", "file", "/data", ""),
        ("/data/what?a=b", "file", "/data/what?a=b", ""),
        (S3, "s3", "bucket", "a/b"),
        ("s3://bucket", "s3", "bucket", ""),
        ("gs://bucket/x", "gs", "bucket", "x"),
        ("az://container/x?account_name=acme", "az", "container", "x"),
        ("abfss://container@acme.dfs.core.windows.net/x", "az", "container", "x"),
    ],
)
def test_a_url_names_a_place(url: str, scheme: str, root: str, prefix: str) -> None:
    """Folders and buckets of every kind are understood."""
    found = Location.parse(url)
    assert (found.scheme, found.root, found.prefix) == (scheme, root, prefix)


def test_a_relative_folder_is_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain name is a folder here."""
    monkeypatch.chdir(tmp_path)
    assert Location.parse("lake").root == str(tmp_path / "lake")


def test_options_keep_their_values(tmp_path: Path) -> None:
    """A plus, a slash, an equals sign and %2B in a secret arrive as they are meant."""
    found = Location.parse("s3://b?secret_access_key=a+b/c==&session_token=x%2By%26z")
    assert found.option("secret_access_key") == "a+b/c=="
    assert found.option("session_token") == "x+y&z"


def test_a_lake_shows_no_option(tmp_path: Path) -> None:
    """Text, representation and errors of a lake hold none of its secrets."""
    lake = open_lake(S3)
    for text in (str(lake), repr(lake), repr(lake.location), f"{lake.store!r}"):
        assert SECRET not in text
        assert "AKIA" not in text
    assert str(lake) == "s3://bucket/a/b"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "empty"),
        ("ss3://bucket", "did you mean 's3'"),
        ("s3:///prefix", "names no bucket"),
        ("s3://key:secret@bucket/x", "credentials before an @"),
        ("s3://bucket?regoin=x", "did you mean 'region'"),
        ("s3://bucket?acces_key=x", "did you mean 'access_key_id'"),
        ("gs://bucket?region=x", "'region' is no option of a gs:// lake"),
        ("file://server/share", "names another machine"),
        ("file:///data?x=1", "has no options"),
        ("s3://bucket?secret_access_key=a#b", "%23"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, message: str) -> None:
    """Each message names the mistake and what is allowed, and shows no secret."""
    with pytest.raises(LakeError) as raised:
        open_lake(url)
    assert message in str(raised.value)
    assert "secret@" not in str(raised.value)


def test_a_table_never_published_has_an_empty_state(lake_url: str) -> None:
    """Version 0 and no token."""
    state, token = open_lake(lake_url).read_state(ORDERS)
    assert (state.table, state.version, token) == ("sales.orders", 0, None)


def test_a_missing_bucket_is_named(s3_endpoint: str) -> None:
    """Not an empty lake: an error, also when only reading."""
    lake = open_lake(
        f"s3://no-such-bucket/raw?endpoint={s3_endpoint}&access_key_id=k&secret_access_key=hush"
    )
    with pytest.raises(
        LakeError, match="bucket of s3://no-such-bucket/raw does not exist"
    ) as raised:
        lake.read_state(ORDERS)
    assert "hush" not in str(raised.value)


def test_an_endpoint_that_does_not_answer_fails_soon() -> None:
    """A wrong address is an error that may pass, told within seconds."""
    lake = open_lake("s3://b/x?endpoint=http://127.0.0.1:9&access_key_id=k&secret_access_key=s")
    with pytest.raises(LakeUnreachable, match="s3://b/x"):
        lake.read_state(ORDERS)


def test_an_unwritable_folder_is_denied(tmp_path: Path) -> None:
    """A file in the way, or a folder without the right to write, is named."""
    (tmp_path / "file").write_text("x")
    from lake.harness import Setup, run

    with pytest.raises(LakeError, match="file"):
        run(Setup(str(tmp_path / "file" / "lake")), [], "one")


def test_refusals_are_told_apart() -> None:
    """Wrong credentials, wrong region, no credentials and a full store are different errors."""
    from duckherd.lake.refusal import explained

    def refused(text: str) -> LakeError:
        return explained(Exception(text), "s3://b", "writing x")

    denied = "status code: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message>"  # noqa: E501  # a table reads better in one line
    assert isinstance(refused(denied), LakeDenied)
    assert "SignatureDoesNotMatch: No." in str(refused(denied))
    assert isinstance(refused("PUT http://169.254.169.254/latest/api/token: 403"), LakeDenied)
    assert isinstance(refused("status code: 503 Slow Down"), LakeUnreachable)
    assert "region=" in str(refused("status code: 301 Moved: <Code>PermanentRedirect</Code>"))
    signed = refused("error performing GET https://x/y?sig=hush&se=1 in 3ms - failed")
    assert "hush" not in str(signed)
    assert isinstance(pickle.loads(pickle.dumps(signed)), LakeError)
