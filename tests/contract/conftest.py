"""datacontract-cli, in an environment of its own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = "1.2.8"


@pytest.fixture(scope="session")
def datacontract(request: pytest.FixtureRequest) -> Path:
    """The program; installed once into pytest's cache, as its pins are not ours.

    DUCKHERD_TEST_DATACONTRACT names an installed one. Without an index the tests that
    need it are skipped.
    """
    given = os.environ.get("DUCKHERD_TEST_DATACONTRACT")
    if given:
        return Path(given)
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("datacontract")
    home = folder / VERSION
    program = home / "bin" / "datacontract"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _install(home)
    return program


def _install(home: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    package = f"datacontract-cli[duckdb]=={VERSION}"
    done = subprocess.run(
        [str(home / "bin" / "pip"), "install", "--quiet", package],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f"datacontract-cli {VERSION} cannot be installed: {reason}")
