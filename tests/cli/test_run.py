"""Running, watching, retrying and telling the state of tables, on a real server and worker."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from duckherd.api.client import Api
from duckherd.api.settings import prefect_home
from duckherd.cli import main
from duckherd.cli.connection import local_settings
from duckherd.server.local import local_server
from duckherd.server.worker import local_worker
from servers import wait_until

ENDLESS = "CREATE VIEW endless AS SELECT a.id FROM orders a, orders b, orders c, orders d"


def shop(folder: Path) -> Path:
    """A small database: two good tables, and one whose key holds a NULL."""
    path = folder / "shop.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
        db.execute("CREATE TABLE empty (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE parcels (code TEXT PRIMARY KEY)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", [(i, i / 4) for i in range(500)])
        db.execute("INSERT INTO parcels VALUES ('a'), (NULL)")
    return path


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A local server with a worker for work pool `herd`, which all commands find by themselves."""
    home = prefect_home()
    with (
        local_server(home, {}, command="pytest") as server,
        Api(local_settings(server.url)) as client,
        local_worker(client, "herd", home),
    ):
        yield client


@pytest.fixture
def project(api, tmp_path, monkeypatch):
    """A project of three tables, applied; its name is the test's own."""
    monkeypatch.chdir(tmp_path)
    shop(tmp_path)
    name = tmp_path.name.replace("_", "-")
    assert main(["init", "--source", "sqlite:///shop.db", "--lake", "lake", "--name", name]) == 0
    assert main(["apply"]) == 0
    return tmp_path


def repair(folder: Path) -> None:
    """Give the parcel without a code one."""
    with closing(sqlite3.connect(folder / "shop.db")) as db, db:
        db.execute("UPDATE parcels SET code = 'b' WHERE code IS NULL")


def rows(capsys) -> dict[str, dict]:
    """Rows of the JSON just printed, by table."""
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    listed = document.get("runs") or document.get("tables")
    return {row["table"]: row for row in listed}


def test_run_status_retry(project, capsys):
    """One bad table fails alone, is told with its reason and its rerun, and is retried alone."""
    capsys.readouterr()
    assert main(["run"]) == 1
    said = capsys.readouterr()
    assert "3 tables: 2 ok, 1 failed" in said.out
    assert "main.parcels  failed: 1 of 2 checks" in said.out
    rerun = f"duckherd run {project.name.replace('_', '-')}.main.parcels"
    assert f"run again: {rerun}" in said.out
    assert sum("ok" in line for line in said.err.splitlines()) == 2
    assert {path.name for path in (project / "lake" / "main").iterdir()} == {
        "orders.parquet", "empty.parquet",
    }  # fmt: skip

    assert main(["status", "-o", "json"]) == 1
    told = rows(capsys)
    assert told["main.parcels"]["result"] == "failed"
    assert "not_null(code)" in told["main.parcels"]["reason"]
    assert told["main.orders"]["result"] == "ok"
    assert told["main.orders"]["rows"] == 500

    before = (project / "lake" / "main" / "orders.parquet").stat().st_mtime_ns
    repair(project)
    assert main(["retry", "-o", "json"]) == 0
    again = rows(capsys)
    assert list(again) == ["main.parcels"]
    assert again["main.parcels"]["result"] == "ok"
    assert (project / "lake" / "main" / "orders.parquet").stat().st_mtime_ns == before

    assert main(["status"]) == 0
    assert "3 tables: 3 ok" in capsys.readouterr().err
    assert main(["retry"]) == 0
    assert "Nothing to retry" in capsys.readouterr().err


def test_selection_by_result(project, capsys):
    """`result:` selects by how the last run went."""
    assert main(["run", "result:missing", "--exclude", "parcels", "-o", "jsonl"]) == 0
    capsys.readouterr()
    assert main(["status", "result:ok", "-o", "csv"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {line.split(",")[0] for line in listed[1:]} == {"main.orders", "main.empty"}


def test_selecting_nothing_names_the_nearest(project, capsys):
    """A selection that means nothing is exit code 2 with the nearest names."""
    assert main(["run", "main.order"]) == 2
    assert "main.orders" in capsys.readouterr().err


def test_unapplied_project_says_apply(project, capsys):
    """Deployments that only the file has are not run silently as nothing."""
    text = (project / "prefect.yaml").read_text()
    name = project.name.replace("_", "-")
    (project / "prefect.yaml").write_text(text.replace(f"{name}.main", "unknown.main"))
    assert main(["run"]) == 2
    said = capsys.readouterr().err
    assert "3 deployments of the file not on the server" in said
    assert "duckherd apply" in said


def test_backfill_needs_a_cursor(project, capsys):
    """--from on a table without a cursor is refused before anything runs."""
    assert main(["run", "orders", "--from", "2026-01-01"]) == 2
    assert "main.orders" in capsys.readouterr().err


def test_pool_without_worker_is_refused(project, capsys):
    """Runs that nobody would ever take are not created, unless that is asked for."""
    text = (project / "prefect.yaml").read_text()
    (project / "prefect.yaml").write_text(text.replace("name: herd", "name: deserted"))
    assert main(["apply", "--create-work-pool"]) == 0
    capsys.readouterr()
    assert main(["run"]) == 2
    said = capsys.readouterr().err
    assert "no worker polls work pool 'deserted'" in said
    assert "duckherd worker --pool deserted" in said
    assert main(["run", "orders", "--no-wait"]) == 0
    assert main(["status", "orders"]) == 0
    assert "no worker polls work pool deserted" in capsys.readouterr().err


def test_interrupt_cancels_the_runs_it_created(project, api):
    """Ctrl-C cancels what was started, waits for it, and ends with 130."""
    with closing(sqlite3.connect(project / "shop.db")) as db, db:
        db.execute(ENDLESS)
    (project / "prefect.yaml").unlink()
    name = project.name.replace("_", "-")
    main(["init", "--source", "sqlite:///shop.db", "--lake", "lake", "--name", name])
    assert main(["apply"]) == 0
    command = [sys.executable, "-m", "duckherd.cli", "run", "endless"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        wait_until(lambda: api.post("flow_runs/count", running) == 1, "the run")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=200)
    assert run.returncode == 130
    assert "Cancelling 1 flow run" in err
    assert "main.endless  cancelled" in out
    assert api.post("flow_runs/count", running) == 0


def test_debug_tells_each_thing(project, capsys):
    """Source, lake, API and work pool are each tested and told on one line."""
    assert main(["debug", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["tests"]
    assert [(row["what"], row["result"]) for row in found] == [
        ("project", "ok"), ("source", "ok"), ("lake", "ok"), ("api", "ok"), ("work pool", "ok"),
    ]  # fmt: skip


def test_debug_names_what_fails(project, capsys):
    """A lake that cannot be written fails alone, with exit code 1."""
    text = (project / "prefect.yaml").read_text()
    (project / "file").write_text("")
    (project / "prefect.yaml").write_text(text.replace(f"{project}/lake", f"{project}/file/lake"))
    assert main(["debug", "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["tests"]
    assert [row["what"] for row in found if row["result"] != "ok"] == ["lake"]
