"""`duckherd audit` on runs of the example monolith."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from duckherd.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "monolith.py"


def test_monolith_is_found_and_its_cost_told(prefect_api, tmp_path, capsys):
    """The example loads every table, and one that cannot be read turns its run red."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as db, db:
        for number in range(6):
            db.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY)")
            db.execute(f"INSERT INTO t{number} VALUES (1), (2)")
    _load(path, tmp_path / "lake")
    assert len(list((tmp_path / "lake" / "main").glob("*.parquet"))) == 6

    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE VIEW t9 AS SELECT * FROM gone")
    _load(path, tmp_path / "lake", good=False)

    capsys.readouterr()
    assert main(["audit", "--tasks", "10", "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["flows"]
    assert found["flow"] == "load-everything"
    assert (found["runs"], found["red"], found["red_by_few"]) == (2, 1, 1)
    assert found["thrown_away"] > 0
    assert found["late"] is None

    assert main(["audit", "--tasks", "1000"]) == 0
    assert "No flow has runs of 1000 or more task runs" in capsys.readouterr().err


def _load(path: Path, lake: Path, *, good: bool = True) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), f"sqlite:///{path}", str(lake)],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert (run.returncode == 0) is good, run.stderr
