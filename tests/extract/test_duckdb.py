"""Reading DuckDB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.source import Source
from duckherd.errors import SourceError, TableNotFound, ValueNotCarried
from duckherd.extract.model import Window
from extract_results import rows, types


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file with a table of awkward types and a view."""
    with duckdb.connect(str(tmp_path / "x.duckdb")) as db:
        db.execute("CREATE SCHEMA s")
        db.execute(
            "CREATE TABLE s.t (id INT PRIMARY KEY, h HUGEINT, i INTERVAL, e ENUM('a', 'b'), "
            "l INT[], st STRUCT(a INT, b VARCHAR), z TIMESTAMPTZ, u UUID, hl HUGEINT[])"
        )
        db.execute(
            "INSERT INTO s.t VALUES (1, 170141183460469231731687303715884105727, "
            "INTERVAL '1 month 2 days 3 microseconds', 'b', [1, NULL], {'a': 1, 'b': 'x'}, "
            "'2024-01-01 00:00:00+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', [1]), "
            "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        )
        db.execute("CREATE VIEW s.v AS SELECT id + 1 AS n FROM s.t")
        db.execute("CREATE TABLE s.bad (d DATE); INSERT INTO s.bad VALUES ('infinity')")
    return f"duckdb:///{tmp_path}/x.duckdb"


def test_types_arrive_exact_or_as_text(url: str, read: Any) -> None:
    """What Parquet would round or widen is text."""
    extract = read(url, "s.t")
    assert types(extract) == {
        "id": "INTEGER", "h": "VARCHAR", "i": "VARCHAR", "e": "VARCHAR", "l": "INTEGER[]",
        "st": "STRUCT(a INTEGER, b VARCHAR)", "z": "TIMESTAMP WITH TIME ZONE", "u": "UUID",
        "hl": "VARCHAR",
    }  # fmt: skip
    first = rows(extract, "FROM spool ORDER BY id")[0]
    assert first[1:4] == (
        "170141183460469231731687303715884105727", "1 month 2 days 00:00:00.000003", "b",
    )  # fmt: skip
    with pytest.raises(ValueNotCarried, match="column 'd'"):
        read(url, "s.bad")


def test_catalog_window_and_errors(url: str, read: Any) -> None:
    """Tables and views with keys; a cursor; what is not there is named."""
    source = Source.parse(url)
    found = {str(table.name): table for table in dialect_for(source).catalog(source)}
    assert {name: table.kind for name, table in found.items()} == {
        "s.bad": "table", "s.t": "table", "s.v": "view",
    }  # fmt: skip
    assert found["s.t"].primary_key == ("id",)
    extract = read(url, "s.v", window=Window("n", lower="2"))
    assert (rows(extract), extract.watermark) == ([(3,)], "3")
    with pytest.raises(TableNotFound, match="nope"):
        read(url, "s.nope")
    with pytest.raises(SourceError, match="there is no file"):
        read("duckdb:////no/such.duckdb", "s.t")


def test_the_file_counts_the_rows_of_the_read(url: str, read: Any) -> None:
    """Under the same condition and window, and only when asked."""
    assert read(url, "s.t").source_rows is None
    assert read(url, "s.t", count_rows=True).source_rows == 2
    assert read(url, "s.t", count_rows=True, where="id = 2").source_rows == 1
    assert read(url, "s.t", count_rows=True, window=Window("id", lower="2")).source_rows == 0
