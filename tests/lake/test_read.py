from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake import open_lake
from duckherd.lake.read import open_published, published_files
from lake.harness import Row, Setup, lake_of, run, state_of

ROWS: list[Row] = [(i, i, f"text {i}") for i in range(1, 21)]
ORDERS = TableName("sales", "orders")


@pytest.mark.parametrize(
    ("mode", "format_"), [("replace", "parquet"), ("append", "parquet"), ("append", "delta")]
)
def test_a_published_version_can_be_queried(lake_url: str, mode: str, format_: str) -> None:
    """All objects of the version are one relation for DuckDB."""
    setup = Setup(lake_url, mode=mode, format=format_)
    run(setup, ROWS[:10], "one")
    run(setup, ROWS, "two")
    with open_published(open_lake(lake_url), ORDERS) as snapshot, duckdb.connect() as db:
        assert snapshot.state.version == 2
        found = db.execute(f"select count(*), sum(id) from {snapshot.scan}").fetchall()
    assert found == [(20, 210)]


def test_what_is_open_stays_as_it_was(lake_url: str) -> None:
    """A version published meanwhile does not change an open snapshot."""
    setup = Setup(lake_url)
    run(setup, ROWS[:10], "one")
    with open_published(open_lake(lake_url), ORDERS) as snapshot, duckdb.connect() as db:
        run(setup, ROWS, "two")
        for _ in range(2):
            found = db.execute(f"select count(*) from {snapshot.scan}").fetchall()
            assert found == [(10,)]


def test_only_the_columns_of_interest_are_fetched_from_a_bucket(s3_lake: str) -> None:
    """A check that compares one column with another table does not fetch the rest."""
    run(Setup(s3_lake), ROWS, "one")
    with open_published(open_lake(s3_lake), ORDERS, ["id", "unknown"]) as snapshot:
        table = pq.read_table(snapshot.files[0])
    assert table.column_names == ["id"]
    assert table.num_rows == 20


def test_a_table_that_is_not_published_is_named(lake_url: str) -> None:
    """The message says how to publish it."""
    with (
        pytest.raises(LakeError, match=r"sales\.orders is not published"),
        open_published(open_lake(lake_url), ORDERS),
    ):
        pass


def test_an_object_that_is_missing_is_named(folder_lake: str) -> None:
    """A state without its object is an error, not an empty table."""
    run(Setup(folder_lake), ROWS, "one")
    Path(folder_lake, "sales", "orders.parquet").unlink()
    with (
        pytest.raises(LakeError, match=r"sales/orders\.parquet"),
        open_published(open_lake(folder_lake), ORDERS),
    ):
        pass


def test_a_version_tells_its_objects(folder_lake: str) -> None:
    """Paths below the lake, Delta's files among them."""
    setup = Setup(folder_lake, format="delta")
    run(setup, ROWS, "one")
    files = published_files(lake_of(setup), state_of(setup))
    assert all(Path(folder_lake, file).is_file() for file in files)
    assert all(file.startswith("sales/orders.delta/part-") for file in files)
