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


# type -> expressions, type in the spool
HOSTILE: dict[str, tuple[list[str], str]] = {
    "TINYINT": (["-128"], "TINYINT"),
    "UBIGINT": (["18446744073709551615"], "UBIGINT"),
    "BOOLEAN": (["true", "false"], "BOOLEAN"),
    "FLOAT": (["'nan'::FLOAT", "'-inf'::FLOAT", "0.1"], "FLOAT"),
    "DOUBLE": (["'inf'::DOUBLE", "5e-324", "-0.0"], "DOUBLE"),
    "DECIMAL(38,10)": (["9999999999999999999999999999.9999999999"], "DECIMAL(38,10)"),
    "VARCHAR": (["''", "' '", "'🦆' || chr(0) || 'b'"], "VARCHAR"),
    "BLOB": (["''::BLOB", "'\\x00\\xFF'::BLOB"], "BLOB"),
    "UUID": (["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"], "UUID"),
    "DATE": (["'0044-03-15 (BC)'", "'9999-12-31'", "'5877642-06-25 (BC)'"], "DATE"),
    "TIME": (["'23:59:59.999999'"], "TIME"),
    "TIMESTAMP": (["'290309-12-22 (BC) 00:00:00'", "'2024-03-31 02:30:00.000001'"], "TIMESTAMP"),
    "TIMESTAMP_S": (["'2024-01-01 00:00:01'"], "TIMESTAMP"),
    "TIMESTAMP_MS": (["'2024-01-01 00:00:00.123'"], "TIMESTAMP"),
    "TIMESTAMP_NS": (["'2024-01-01 00:00:00.123456789'"], "TIMESTAMP_NS"),
    "TIMESTAMPTZ": (["'2024-01-01 00:00:00.000001+05:30'"], "TIMESTAMP WITH TIME ZONE"),
    "TIMETZ": (["'12:00:00+05:30'"], "VARCHAR"),
    "INTERVAL": (["INTERVAL '-1 month 2 days 3 microseconds'"], "VARCHAR"),
    "HUGEINT": (["-170141183460469231731687303715884105728"], "VARCHAR"),
    "BIT": (["'0101'"], "VARCHAR"),
    "ENUM('a', 'ż')": (["'ż'"], "VARCHAR"),
    "INT[]": (["[1, NULL]", "[]"], "INTEGER[]"),
    "STRUCT(a INT, b VARCHAR)": (["{'a': NULL, 'b': ''}"], "STRUCT(a INTEGER, b VARCHAR)"),
    "MAP(VARCHAR, INT)": (["MAP {'k': 1}"], "MAP(VARCHAR, INTEGER)"),
}


def test_every_value_reads_back_as_duckdb_prints_it(tmp_path: Path, read: Any) -> None:
    """Each value of the spool, as text, is what DuckDB's own cast to text gives."""
    file = tmp_path / "hostile.duckdb"
    with duckdb.connect(str(file)) as db:
        db.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f'"c{n}" {kind}' for n, kind in enumerate(HOSTILE))
        db.execute(f"CREATE TABLE t (n INT, {columns})")
        for number in range(4):
            given = [v[number] if number < len(v) else "NULL" for v, _ in HOSTILE.values()]
            db.execute(f"INSERT INTO t VALUES ({number}, {', '.join(given)})")
        texts = ", ".join(f"c{n}::VARCHAR" for n in range(len(HOSTILE)))
        original = db.execute(f"SELECT {texts} FROM t ORDER BY n").fetchall()
    extract = read(f"duckdb:///{file}", "main.t")
    assert dict(zip(HOSTILE, list(types(extract).values())[1:], strict=True)) == {
        kind: wanted for kind, (_, wanted) in HOSTILE.items()
    }
    assert rows(extract, f"SELECT {texts} FROM spool ORDER BY n") == original


@pytest.mark.parametrize(
    "kind",
    ["DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ"],
)
def test_infinity_has_no_counterpart(tmp_path: Path, read: Any, kind: str) -> None:
    """Parquet has none: it would be a moment of the year 294247."""
    with duckdb.connect(str(tmp_path / "x.duckdb")) as db:
        db.execute(f"CREATE TABLE t AS SELECT '-infinity'::{kind} AS v")
    with pytest.raises(ValueNotCarried, match="column 'v'"):
        read(f"duckdb:///{tmp_path}/x.duckdb", "main.t")
