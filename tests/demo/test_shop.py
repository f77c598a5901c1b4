"""The sample shop, and whether the demo's proof notices what is wrong."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from duckherd.demo.fingerprint import of_parquet, of_sqlite, tables_of
from duckherd.demo.generate import generate, repair
from duckherd.demo.proof import files_of, others_alike, repaired_alike, runs_as_told
from duckherd.demo.shop import BROKEN, ITEMS, LOST_CODES, TABLES, VIEWS
from duckherd.runs.model import TableDeployment


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    """The sample shop, a hundredth of it."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    generate(path, scale=0.01)
    return path


@pytest.fixture(scope="module")
def published(database, tmp_path_factory) -> Path:
    """All tables but the broken one, written by DuckDB alone."""
    folder = tmp_path_factory.mktemp("lake") / "main"
    folder.mkdir()
    for name in tables_of(database):
        if name != BROKEN:
            _publish(database, name, folder)
    return folder.parent


@pytest.fixture
def lake(published, tmp_path) -> Path:
    """The same, to be spoilt by one test."""
    return Path(shutil.copytree(published, tmp_path / "lake"))


def _publish(database: Path, name: str, folder: Path) -> None:
    with closing(sqlite3.connect(database)) as db:
        cursor = db.execute(f"SELECT * FROM {name}")
        declared = {row[1]: row[2] for row in db.execute(f"PRAGMA table_info({name})")}
        values = cursor.fetchall()
    columns = ", ".join(f'"{column}" {_type(kind)}' for column, kind in declared.items())
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({columns})")
        if values:
            marks = ", ".join(["unnest(?)"] * len(declared))
            columns_of = [list(column) for column in zip(*values, strict=True)]
            connection.execute(f"INSERT INTO t SELECT {marks}", columns_of)
        connection.execute(f"COPY t TO '{folder / name}.parquet'")


def _type(declared: str) -> str:
    for part, kind in (("INT", "BIGINT"), ("BOOL", "BIGINT"), ("BLOB", "BLOB"), ("DATE", "DATE")):
        if part in declared.upper():
            return kind
    if "TIMESTAMP" in declared.upper():
        return "TIMESTAMP"
    return "DOUBLE" if any(p in declared.upper() for p in ("DEC", "DOUB", "REAL")) else "VARCHAR"


def test_shop_has_what_it_promises():
    """At least thirty tables, one of a million rows, one empty, and views."""
    rows = {table.name: table.rows for table in TABLES}
    assert len(rows) >= 30
    assert rows["order_items"] == ITEMS == 1_000_000
    assert rows["gift_cards"] == 0
    assert len(VIEWS) == 2


def test_same_seed_same_data(database, tmp_path):
    """The data depend on the seed only."""
    again, other = tmp_path / "again.db", tmp_path / "other.db"
    generate(again, scale=0.01)
    generate(other, seed=1, scale=0.01)
    with closing(sqlite3.connect(database)) as one, closing(sqlite3.connect(again)) as two:
        assert list(one.iterdump()) == list(two.iterdump())
    with closing(sqlite3.connect(other)) as db, closing(sqlite3.connect(database)) as one:
        query = "SELECT * FROM customers"
        assert db.execute(query).fetchall() != one.execute(query).fetchall()


def test_broken_table_is_repaired(tmp_path):
    """Exactly the lost tracking codes are NULL, and come back."""
    path = tmp_path / "shop.db"
    generate(path, scale=0.01)
    with closing(sqlite3.connect(path)) as db:
        lost = db.execute("SELECT rowid FROM shipments WHERE tracking_code IS NULL").fetchall()
    assert tuple(row for (row,) in lost) == LOST_CODES
    assert repair(path) == len(LOST_CODES)
    assert repair(path) == 0


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("customers", "UPDATE t SET name = name || ' ' WHERE customer_id = 7"),
        ("customers", "UPDATE t SET phone = '' WHERE phone IS NULL"),
        ("orders", "DELETE FROM t WHERE order_id = 1"),
        ("exchange_rates", "UPDATE t SET rate = rate + 1e-6 WHERE rate_id = 3"),
        ("refunds", "UPDATE t SET refunded_on = refunded_on + 1 WHERE refund_id = 2"),
        ("brands", "INSERT INTO t SELECT * FROM t LIMIT 1"),
    ],
)
def test_fingerprints_tell_a_changed_value(database, lake, tmp_path, table, change):
    """One changed value, row or NULL in a published file makes it differ from its table."""
    path = lake / "main" / f"{table}.parquet"
    before, types = of_parquet(path)
    assert before == of_sqlite(database, table, types)
    changed = tmp_path / "changed.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS FROM '{path}'")
        connection.execute(change)
        connection.execute(f"COPY t TO '{changed}'")
    assert of_parquet(changed)[0] != before


def test_proof_names_what_is_wrong(database, lake):
    """A file that is missing, of no table, or of other rows makes its claim false."""
    (lake / "main" / "brands.parquet").unlink()
    (lake / "main" / "stores.parquet").rename(lake / "main" / "stranger.parquet")
    claim = others_alike(database, lake)
    assert not claim.true
    told = "\n".join(claim.wrong)
    assert "brands.parquet does not exist" in told
    assert "stranger.parquet is of no table" in told


def test_proof_notices_a_touched_file(database, lake):
    """A retry that rewrites another table's file, even with the same rows, is told."""
    before = files_of(lake)
    path = lake / "main" / "brands.parquet"
    path.write_bytes(path.read_bytes())
    claims = list(repaired_alike(database, lake, before))
    assert [claim.true for claim in claims] == [False, False]
    assert claims[1].wrong == ("brands.parquet changed",)


def test_proof_of_runs_needs_runs(database, prefect_api):
    """Without flow runs every claim about them is false."""
    from duckherd.api.client import Api

    with Api.from_environment() as api:
        deployments = [TableDeployment("00000000-0000-0000-0000-000000000000", "a", "main.a")]
        claims = list(runs_as_told(api, deployments, database, datetime.now(UTC)))
    assert [claim.true for claim in claims] == [False, False, False]
