"""init, ls, sync, plan and apply from the command line."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from duckherd.api import Api
from duckherd.cli import main

TABLES = """
create table customers (id integer primary key, name text not null);
create table orders (id integer primary key, customer_id integer, total real);
create table "we]ird ""na'me" (a);
create view totals as select sum(total) as total from orders;
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A shop database in the working directory of this test."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("shop.db") as db:
        db.executescript(TABLES)
        yield db
    db.close()


@pytest.fixture
def pool(prefect_api: str) -> Iterator[str]:
    """Name of a work pool, on a server without deployments."""
    name = f"pool-{uuid.uuid4().hex[:8]}"
    with Api.from_environment() as api:
        for deployment in list(api.pages("deployments/filter")):
            api.delete(f"deployments/{deployment['id']}")
        api.post("work_pools/", {"name": name, "type": "process"})
        yield name
        api.delete(f"work_pools/{name}")


def _init(*options: str) -> int:
    return main(["init", "--source", "sqlite:///shop.db", "--lake", "lake", *options])


def test_init_writes_a_file_that_works_from_anywhere(
    shop: sqlite3.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths are made whole, for runs start in folders of their own."""
    assert _init("--select", "main.*", "--exclude", "totals", "--name", "erp") == 0
    data = yaml.safe_load(Path("prefect.yaml").read_text())
    names = [item["name"] for item in data["deployments"]]
    assert names == ["erp.main.customers", "erp.main.orders", "erp.main.we]ird \"na'me"]
    parameters = data["deployments"][0]["parameters"]
    assert parameters["source"] == f"sqlite:///{tmp_path}/shop.db"
    assert parameters["lake"] == f"{tmp_path}/lake"
    assert "3 deployments" in capsys.readouterr().err


def test_init_never_overwrites_unasked(
    shop: sqlite3.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing file stays unless --force is given."""
    Path("prefect.yaml").write_text("mine")
    assert _init() == 2
    assert Path("prefect.yaml").read_text() == "mine"
    assert "duckherd sync" in capsys.readouterr().err
    assert _init("--force") == 0
    assert Path("prefect.yaml").read_text() != "mine"


def test_init_writes_no_password(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A spelled-out password becomes a reference, and the command says what to export."""
    import psycopg

    from duckherd.catalog.source import Source

    monkeypatch.chdir(tmp_path)
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("create table orders (id integer primary key)")
    lake = "s3://raw?region=x&secret_access_key=abcdef123"
    assert main(["init", "--source", postgres_url, "--lake", lake]) == 0
    text, told = Path("prefect.yaml").read_text(), capsys.readouterr().err
    password = str(Source.parse(postgres_url).password)
    written = postgres_url.partition("://")[2].partition("@")[0].partition(":")[2]
    for secret in (password, written, "abcdef123"):
        assert secret not in text + told
    assert "export DUCKHERD_SOURCE_PASSWORD=..." in told
    assert "export DUCKHERD_LAKE_SECRET_ACCESS_KEY=..." in told
    monkeypatch.setenv("DUCKHERD_SOURCE_PASSWORD", password)
    assert main(["sync"]) == 0
    assert "nothing new in the source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "gopher://x/y", "--lake", "l"], "unknown source scheme 'gopher'"),
        (["--source", "sqlite:///none.db", "--lake", "l"], "none.db"),
        (["--source", "sqlite:///shop.db", "--lake", "ftp://x"], "ftp:// is no lake"),
        (["--source", "sqlite:///shop.db", "--lake", "l", "--select", "ordrs"], "nearest are"),
        (["--source", "sqlite:///shop.db", "--lake", "l", "--schedule", "daily"], "--schedule 1h"),
        (["--source", "sqlite:///shop.db", "--lake", "l", "--name", "a/b"], "--name erp"),
        (["--source", "mysql://me:${env:DH_NO}@127.0.0.1/x", "--lake", "l"], "'DH_NO'"),
        (["--lake", "l"], "--source"),
    ],
)  # fmt: skip
def test_init_names_what_is_wrong(
    arguments: list[str], message: str, shop: sqlite3.Connection,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Whatever is wrong, one message, exit code 2, and no file."""
    assert main(["init", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not Path("prefect.yaml").exists()


def test_ls_resolves_a_selection(
    shop: sqlite3.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, globs and tags, as text or JSON, without a server."""
    _init("--tag-by", "schema", "--schedule", "1h")
    capsys.readouterr()
    assert main(["ls", "tag:main", "--exclude", "totals", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    tables = [each["table"] for each in document["deployments"]]
    assert tables == ["main.customers", "main.orders", "main.we]ird \"na'me"]
    assert document["deployments"][0]["schedule"] == "every 1h"
    assert main(["ls", "ordrs"]) == 2
    assert "nearest are orders" in capsys.readouterr().err


def test_sync_shows_and_writes(
    shop: sqlite3.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """--dry-run prints the difference and leaves the file; without it the file is changed."""
    _init()
    before = Path("prefect.yaml").read_text()
    shop.executescript("create table invoices (no integer primary key); drop table customers;")
    capsys.readouterr()
    assert main(["sync", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "+    name: shop.main.invoices" in shown.out
    assert "-    name: shop.main.customers" in shown.out
    assert Path("prefect.yaml").read_text() == before
    assert main(["sync"]) == 0
    names = [
        item["name"] for item in yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    ]
    assert "shop.main.invoices" in names
    assert "shop.main.customers" not in names


def test_plan_and_apply(
    shop: sqlite3.Connection, pool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way: plan, apply, a change, a dropped table, prune."""
    _init("--work-pool", pool, "--schedule", "0 2 * * *")
    capsys.readouterr()
    assert main(["plan", "--detailed-exitcode"]) == 3
    told = capsys.readouterr()
    assert told.out.splitlines()[1] == "+ shop.main.orders"
    assert "4 to create" in told.err
    assert main(["apply"]) == 0
    assert "4 created" in capsys.readouterr().err
    assert main(["plan", "--detailed-exitcode"]) == 0
    assert capsys.readouterr().out == ""

    path = Path("prefect.yaml")
    path.write_text(path.read_text().replace("0 2 * * *", "0 3 * * *", 1))
    shop.execute("drop table orders")
    assert main(["plan"]) == 2
    assert "the source has no table or view 'main.orders'" in capsys.readouterr().err
    main(["sync"])
    capsys.readouterr()
    assert main(["plan", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["update"], document["orphaned"], document["create"]) == (3, 1, 0)
    assert {row["action"] for row in document["changes"]} == {"update", "orphaned"}
    assert main(["plan", "state:orphaned", "-o", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "orphaned,shop.main.orders,main.orders,,,"
    assert main(["apply", "customers"]) == 0
    assert "1 updated" in capsys.readouterr().err
    assert main(["apply", "--prune", "--yes", "-o", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(row["action"] for row in rows) == ["delete", "update", "update"]


def test_apply_sends_nothing_when_anything_is_wrong(
    shop: sqlite3.Connection, pool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One invalid entry of many: nothing is sent at all."""
    _init("--work-pool", pool)
    path = Path("prefect.yaml")
    path.write_text(path.read_text().replace("unique: [id]", "unique: [idd]", 1))
    assert main(["apply"]) == 2
    assert "did you mean 'id'?" in capsys.readouterr().err
    with Api.from_environment() as api:
        assert list(api.pages("deployments/filter")) == []
    path.write_text(path.read_text().replace(pool, "nowhere"))
    assert main(["apply", "--offline"]) == 2
    assert "work pool 'nowhere' does not exist" in capsys.readouterr().err
