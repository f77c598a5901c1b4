"""datacontract-cli, beside our own environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).with_name("datacontract.txt")

DataContract = Callable[..., "subprocess.CompletedProcess[str]"]
"""Run one of its command lines: arguments, and the working folder as `cwd`."""


@pytest.fixture(scope="session")
def datacontract(request: pytest.FixtureRequest) -> DataContract:
    """The program of the package, installed once into pytest's cache.

    Its pins are not ours, so it gets a folder of its own that comes before our packages.
    Sharing those (DuckDB, pyarrow, pandas ...) leaves 7 MB to fetch where a whole
    environment needs 200. Without an index, the tests that need it are skipped.
    """
    assert request.config.cache is not None
    cache = request.config.cache.mkdir("datacontract")
    told = f"{sys.version}{sys.prefix}{REQUIREMENTS.read_text()}"
    home = cache / hashlib.sha256(told.encode()).hexdigest()[:12]
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _install(home)

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, home / "bin" / "datacontract", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(home)}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=cwd, env=environment
        )

    return run


def _install(home: Path) -> None:
    unfinished = home.with_suffix(".unfinished")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    done = subprocess.run(
        [*pip, "--target", unfinished, "--requirement", REQUIREMENTS],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        # An index that has other versions was reached: the pin is wrong.
        if re.search(r"\(from versions: (?!none\))", done.stderr):
            pytest.fail(f"{REQUIREMENTS.name}: {last}")
        pytest.skip(f"datacontract-cli cannot be installed: {last}")
    unfinished.rename(home)
