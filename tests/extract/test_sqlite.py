"""A hostile SQLite file: every storage class anywhere, odd names, windows, masks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.errors import SourceBusy, SourceError, TableNotFound, ValueNotCarried
from duckherd.extract import sqlite_scan
from duckherd.extract.model import Window
from extract_results import rows, types


@pytest.fixture(autouse=True, params=["exact way", "quick way"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs twice: small tables are read as such, and as if they were big."""
    if request.param == "quick way":
        monkeypatch.setattr(sqlite_scan, "FEWEST_ROWS", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of this test is."""
    return tmp_path / "shop.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    """A writing connection to it."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        yield connection
    connection.close()


@pytest.fixture
def url(path: Path, db: sqlite3.Connection) -> str:
    """Its source URL."""
    return f"sqlite:///{path}"


# declared type -> values as SQL, type in the spool, how the spool's value prints as SQLite's text.
HOSTILE: dict[str, tuple[list[str], str, str]] = {
    "INTEGER": (["-9223372036854775808", "9223372036854775807", "0"], "BIGINT", "{}"),
    "BOOLEAN": (["1", "0", "2"], "BIGINT", "{}"),
    "TINYINT(1)": (["300"], "BIGINT", "{}"),
    "TEXT": (["''", "' '", "'żółć 🦆'", "'a' || char(0) || 'b'", "char(1114111)"], "VARCHAR", "{}"),
    "VARCHAR(3)": (["'longer than three'"], "VARCHAR", "{}"),
    "REAL": (["0.1", "1e308 * 10", "-1e308 * 10", "5e-324", "-0.0", "3"], "DOUBLE", ""),
    "DECIMAL(10,2)": (["19.99", "5", "9007199254740992"], "DOUBLE", ""),
    "BLOB": (["x''", "x'00ff41'", "zeroblob(3000)"], "BLOB", "hex({})"),
    "DATE": (["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"], "DATE", "{}"),
    "DATETIME": (["'2024-02-29 12:34:56.123456'", "'1969-12-31 23:59:59'"], "TIMESTAMP", "{}"),
    "TIMESTAMP": (["'2024-02-29 00:00:01'"], "TIMESTAMP", "{}"),
    "TIME": (["'25:61'"], "VARCHAR", "{}"),
    "JSON": (["'{\"a\":  1}'"], "VARCHAR", "{}"),
    "": (["1.5", "2"], "DOUBLE", ""),
    "WHATEVER": (["'text'"], "VARCHAR", "{}"),
}


def test_every_value_reads_back_as_sqlite_prints_it(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """Each value of the spool, as text, is what SQLite's own cast to text gives."""
    columns = ", ".join(f'"{kind or "none"}" {kind}' for kind in HOSTILE)
    db.execute(f'CREATE TABLE "we]ird ""na\'me" (n INTEGER PRIMARY KEY, {columns})')
    most = max(len(values) for values, _, _ in HOSTILE.values())
    for number in range(most + 1):
        values = [v[number] if number < len(v) else "NULL" for v, _, _ in HOSTILE.values()]
        db.execute(f'INSERT INTO "we]ird ""na\'me" VALUES ({number}, {", ".join(values)})')
    extract = read(url, TableName("main", "we]ird \"na'me"))
    assert list(types(extract).values())[1:] == [wanted for _, wanted, _ in HOSTILE.values()]
    for kind, (_, _, printed) in HOSTILE.items():
        name = f'"{kind or "none"}"'
        if printed:
            hexed = f"CASE WHEN {name} IS NOT NULL THEN hex({name}) END"
            text = hexed if kind == "BLOB" else f"CAST({name} AS TEXT)"
            original = db.execute(f'SELECT {text} FROM "we]ird ""na\'me" ORDER BY n').fetchall()
            carried = rows(
                extract, f"SELECT CAST({printed.format(name)} AS VARCHAR) FROM spool ORDER BY n"
            )
        else:
            # SQLite prints a REAL with 15 digits; the driver gives all its bits.
            original = db.execute(f'SELECT {name} FROM "we]ird ""na\'me" ORDER BY n').fetchall()
            carried = rows(extract, f"SELECT {name} FROM spool ORDER BY n")
        assert carried == original, kind


REFUSED = {
    "INTEGER": ["'text'", "1.5", "x'00'"],
    "TEXT": ["x'00'"],
    "REAL": ["'text'", "x'00'"],
    "DECIMAL": ["9007199254740993", "'1,5'"],
    "BLOB": ["'text'", "1"],
    "DATE": ["'2024-02-30'", "'2024-01-01 00:00'", "x'00'"],
    "DATETIME": ["'2024-01-01T00:00:00Z'", "'2024-01-01 00:00:00.1234567'", "'now'"],
    "": ["'text'"],
}


def test_a_value_of_another_kind_fails_naming_it_and_the_way_out(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """Never converted: column, example and `as: text` are in the error."""
    for kind, values in REFUSED.items():
        for value in values:
            db.execute("DROP TABLE IF EXISTS t")
            db.execute(f"CREATE TABLE t (id INT, v {kind})")
            good = {"DATE": "'2024-01-01'", "DATETIME": "'2024-01-01'", "": "7", "BLOB": "x'01'"}
            db.execute(f"INSERT INTO t VALUES (1, {good.get(kind, 'NULL')}), (2, {value})")
            with pytest.raises(ValueNotCarried, match=r"main\.t: column 'v'") as caught:
                read(url, "main.t")
            assert caught.value.hint == "carry it as text: columns: {v: {as: text}}"
            texts = read(url, "main.t", columns={"v": {"as": "text"}})
            text = f"hex({value})" if value.startswith("x'") else f"CAST({value} AS TEXT)"
            assert (
                rows(texts, "SELECT v FROM spool WHERE id = 2")
                == db.execute(f"SELECT {text}").fetchall()
            )


def test_text_that_is_not_utf8_fails_naming_the_column(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """Bytes that are no text never reach the lake as text."""
    db.execute("CREATE TABLE t (a TEXT, b TEXT)")
    db.execute("INSERT INTO t VALUES ('x', CAST(x'ff41' AS TEXT))")
    with pytest.raises(ValueNotCarried, match="column 'b'") as caught:
        read(url, "main.t")
    assert "exclude" in str(caught.value.hint)


def test_numbers_in_a_date_column_stay_numbers(db: sqlite3.Connection, url: str, read: Any) -> None:
    """Nobody declared their epoch or unit."""
    db.execute("CREATE TABLE t (at DATETIME)")
    db.execute("INSERT INTO t VALUES (1700000000), (NULL)")
    extract = read(url, "main.t")
    assert types(extract) == {"at": "BIGINT"}
    assert rows(extract) == [(1700000000,), (None,)]


def test_the_catalog_tells_tables_views_and_keys(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """A broken view is listed and fails alone; generated and hidden columns are marked."""
    db.execute(
        "CREATE TABLE a (x INT, y TEXT NOT NULL UNIQUE, g INT AS (x + 1), PRIMARY KEY (y, x))"
    )
    db.execute("CREATE VIEW v AS SELECT count(*) AS n, 'x' AS t FROM a")
    db.execute("CREATE VIEW broken AS SELECT * FROM gone")
    db.execute("CREATE TABLE empty (d DATE, n INT)")
    source = Source.parse(url)
    found = {table.name.name: table for table in dialect_for(source).catalog(source)}
    assert list(found) == ["a", "broken", "empty", "v"]
    assert found["a"].primary_key == ("y", "x")
    assert {key.columns for key in found["a"].keys} == {("y", "x"), ("y",)}
    assert [(c.name, c.nullable, c.generated) for c in found["a"].columns] == [
        ("x", True, False), ("y", False, False), ("g", True, True),
    ]  # fmt: skip
    assert rows(read(url, "main.v")) == [(0, "x")]
    assert types(read(url, "main.empty")) == {"d": "DATE", "n": "BIGINT"}
    with pytest.raises(TableNotFound, match="gone"):
        read(url, "main.broken")
    with pytest.raises(TableNotFound, match="nope"):
        read(url, "main.nope")
    with pytest.raises(SourceError, match="there is no file"):
        read("sqlite:///no/such/file.db", "main.a")


def test_a_file_that_is_no_database_says_so(tmp_path: Path, read: Any) -> None:
    """The error is SQLite's own, in one line."""
    (tmp_path / "x.db").write_text("this is not a database, it is much longer than a header" * 30)
    with pytest.raises(SourceError, match="not a database"):
        read(f"sqlite:///{tmp_path}/x.db", "main.a")


def test_a_writer_that_holds_the_file_makes_it_busy(
    db: sqlite3.Connection, url: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After lock_timeout, as a transient error."""
    monkeypatch.setattr("duckherd.extract.retry._FIRST_PAUSE", 0.0)
    db.execute("CREATE TABLE t (a INT)")
    db.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SourceBusy, match="locked"):
        read(url, "main.t", lock_timeout=0.01)


def test_rules_and_windows_work_in_the_source(db: sqlite3.Connection, url: str, read: Any) -> None:
    """Masks, where, cursors of text and of numbers."""
    db.execute("CREATE TABLE t (id INT, at TEXT, card TEXT)")
    db.executemany(
        "INSERT INTO t VALUES (?, ?, ?)",
        [(i, f"2024-01-{i:02} 00:00:00", "4111111111111111") for i in range(1, 21)],
    )
    masked = read(
        url, "main.t", columns={"card": {"mask": "last4"}, "at": {"mask": "sha256"}}, where="id < 3"
    )
    assert [row[2] for row in rows(masked)] == ["****1111"] * 2
    assert b"41111111" not in masked.files[0].read_bytes()
    numbers = read(url, "main.t", window=Window("id", lower="9"))
    assert (numbers.rows, numbers.watermark) == (11, "20")
    dates = read(url, "main.t", window=Window("at", lower="2024-01-19 00:00:00", lookback="1d"))
    assert sorted(row[0] for row in rows(dates)) == [19, 20]
    assert dates.lower == "2024-01-18 00:00:00"
    db.execute("CREATE VIEW v AS SELECT id + 0 AS id FROM t")
    assert read(url, "main.v", window=Window("id", lower="9")).rows == 11


def test_wide_rows_come_in_batches_bounded_by_bytes(
    db: sqlite3.Connection, url: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No batch holds much more than the limit and one first fetch."""
    import pyarrow as pa

    from duckherd.extract import sqlite_batches

    sizes = []
    original = sqlite_batches.Batches._batch

    def seen(self: Any, found: Any) -> pa.RecordBatch:
        batch = original(self, found)
        sizes.append((batch.num_rows, batch.nbytes))
        return batch

    monkeypatch.setattr(sqlite_batches.Batches, "_batch", seen)
    db.execute("CREATE TABLE t (id INT, v BLOB)")
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
        "INSERT INTO t SELECT i, zeroblob(500000) FROM n"
    )
    assert read(url, "main.t").rows == 200
    assert all(size <= sqlite_batches.BATCH_BYTES for _, size in sizes[1:])


def test_the_file_counts_the_rows_of_the_read(db: sqlite3.Connection, url: str, read: Any) -> None:
    """Under the same condition and window, and only when asked."""
    db.execute("CREATE TABLE t (id INT)")
    db.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(10)])
    assert read(url, "main.t").source_rows is None
    assert read(url, "main.t", count_rows=True).source_rows == 10
    found = read(url, "main.t", count_rows=True, where="id > 2", window=Window("id", lower="5"))
    assert (found.source_rows, found.rows) == (4, 4)


def test_generated_odd_and_very_many_columns_are_read(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """Generated ones like any other, names of any characters, 1,500 in one table."""
    db.execute(
        'CREATE TABLE g (x INT, v INT AS (x + 1), s INT AS (x + 2) STORED, "a.b" INT, '
        '"c ""d" INT, "sélect" INT)'
    )
    db.execute('INSERT INTO g (x, "a.b", "c ""d", "sélect") VALUES (1, 4, 5, 6)')
    found = read(url, "main.g")
    assert list(types(found)) == ["x", "v", "s", "a.b", 'c "d', "sélect"]
    assert rows(found) == [(1, 2, 3, 4, 5, 6)]
    columns = ", ".join(f"c{i} INT DEFAULT {i}" for i in range(1500))
    db.execute(f"CREATE TABLE w (id INTEGER PRIMARY KEY, {columns})")
    db.execute(
        "INSERT INTO w (id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 300) SELECT i FROM n"
    )
    wide = read(url, "main.w")
    assert (wide.rows, len(wide.columns)) == (300, 1501)
    assert rows(wide, "SELECT DISTINCT c0, c1499 FROM spool") == [(0, 1499)]
