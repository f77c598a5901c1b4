"""The spool outlives a failed publish and is swept when nobody holds it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from duckherd.extract.model import Extract
from duckherd.lake.model import TableState
from duckherd.spool import open_spool, sweep

BEFORE = TableState("a.b", version=3)


def _extract(folder: Path, content: bytes = b"1234") -> Extract:
    file = folder / "part-0000.parquet"
    file.write_bytes(content)
    return Extract((file,), rows=1, bytes=len(content), columns=(), read_at="2026-01-01T00:00:00Z")


def test_finished_spool_is_found_again_by_the_same_run(tmp_path: Path) -> None:
    """A second try of a run gets what the first one read."""
    with open_spool("run", tmp_path) as spool:
        found = _extract(spool.empty(spool.data))
        spool.finish(found, BEFORE)
    with open_spool("run", tmp_path) as spool:
        assert spool.finished() == (found, BEFORE)


@pytest.mark.parametrize("damage", ["missing", "short", "unfinished"])
def test_damaged_spool_is_read_again(tmp_path: Path, damage: str) -> None:
    """A spool with a missing or short file, or never finished, is not used."""
    with open_spool("run", tmp_path) as spool:
        found = _extract(spool.empty(spool.data))
        if damage != "unfinished":
            spool.finish(found, BEFORE)
        if damage == "missing":
            found.files[0].unlink()
        if damage == "short":
            found.files[0].write_bytes(b"1")
        assert spool.finished() is None


def test_discarded_spool_leaves_nothing(tmp_path: Path) -> None:
    """After a discard neither the folder nor its lock remains."""
    with open_spool("run", tmp_path) as spool:
        _extract(spool.empty(spool.data))
        spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_sweep_spares_living_and_recent_runs(tmp_path: Path) -> None:
    """Only folders that are old and held by no process are swept."""
    code = """
        import sys, time
        from pathlib import Path
        from duckherd.spool import open_spool
        with open_spool("living", Path(sys.argv[1])):
            print("ready", flush=True)
            time.sleep(60)
    """
    with open_spool("dead", tmp_path) as spool:
        spool.empty(spool.data)
    with open_spool("recent", tmp_path) as spool:
        spool.empty(spool.data)
    living = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], stdout=subprocess.PIPE
    )
    try:
        assert living.stdout is not None
        assert living.stdout.readline() == b"ready\n"
        for name in ("dead", "living"):
            os.utime(tmp_path / f"{name}.lock", (time.time() - 7200,) * 2)
        assert sweep(tmp_path) == 1
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"living", "recent"}
    finally:
        living.kill()
        living.wait()
        assert living.stdout is not None
        living.stdout.close()


def test_folder_is_private(tmp_path: Path) -> None:
    """Other users of the machine cannot enter a spool: it holds clear data."""
    with open_spool("run", tmp_path / "root") as spool:
        assert spool.folder.stat().st_mode & 0o077 == 0
        assert (tmp_path / "root").stat().st_mode & 0o077 == 0
