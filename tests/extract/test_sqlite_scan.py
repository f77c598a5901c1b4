"""The quick way to read SQLite gives what the exact way gives, or is not taken."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duckherd.errors import ValueNotCarried
from duckherd.extract import parquet
from duckherd.extract.model import Extract, Window
from extract_results import rows, types


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of this test is."""
    return tmp_path / "shop.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    """A writing connection to it."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
def url(path: Path, db: sqlite3.Connection) -> str:
    """Its source URL."""
    return f"sqlite:///{path}"


QUICK = "no commit while it was read"
EXACT = "read transaction"


def fill(db: sqlite3.Connection, values: str, count: int = 30_000, first: int = 1) -> None:
    """`count` rows of a table `t`; `values` is SQL over `i`, the number of the row."""
    db.execute(
        f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n "
        f"WHERE i < {first + count - 1}) INSERT INTO t SELECT {values} FROM n"
    )


def test_the_quick_way_gives_what_sqlite_has(db: sqlite3.Connection, url: str, read: Any) -> None:
    """Each row of a big table of every type it takes, edges included."""
    db.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT, r REAL, d DECIMAL(9,2), s TEXT, "
        "day DATE, at DATETIME, j JSON, b BOOLEAN)"
    )
    least = "'a' || char(0) || '🦆', '0001-01-01', '9999-12-31T23:59:59.123456', '[1]', 1"
    edges = [
        f"-9223372036854775808, 1e308 * 10, 9007199254740991, {least}",
        "9223372036854775807, 5e-324, -0.5, '', '9999-12-31', '2024-02-29', 'null', 0",
        "NULL, -0.0, NULL, ' ', NULL, NULL, NULL, NULL",
        "NULL, NULL, -9007199254740991, NULL, '2024-02-29', '1969-12-31 23:59:59', '[]', 2",
    ]
    for number, edge in enumerate(edges):
        db.execute(f"INSERT INTO t VALUES ({number}, {edge})")
    fill(
        db,
        "i + 9, i * i, i / 7.0, i / 100.0, 'żółć ' || i, date('2000-01-01', i || ' days'), "
        "datetime(i * 1000, 'unixepoch') || '.5', '{}', i % 2",
    )
    extract = read(url, "main.t")
    assert extract.snapshot == QUICK
    wanted = ["BIGINT", "BIGINT", "DOUBLE", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "VARCHAR"]
    assert list(types(extract).values()) == [*wanted, "BIGINT"]
    form = 'CASE WHEN "at" IS NOT NULL THEN strftime("at", \'%Y-%m-%d %H:%M:%S.%f\') END'
    carried = rows(
        extract, f'SELECT * REPLACE (CAST(day AS VARCHAR) AS day, {form} AS "at") FROM spool'
    )
    moment = "substr(replace(at, 'T', ' ') || substr(' 00:00:00.000000', length(at) - 9), 1, 26)"
    original = db.execute(f"SELECT id, n, r, d, s, day, {moment}, j, b FROM t ORDER BY id")
    assert sorted(carried) == original.fetchall()


# declared type -> a value the scanner would take for another, what the column holds otherwise
DOUBTFUL = {
    "TEXT": ("CAST(x'ff41' AS TEXT)", "'x'"),
    "INTEGER": ("'text'", "1"),
    "DECIMAL(9,2)": ("9007199254740993", "1.5"),
    "REAL": ("'text'", "1.5"),
    "DATE": ("'2024-1-5'", "'2024-01-05'"),
    "DATE ": ("'2024-02-30'", "'2024-02-28'"),
    "DATETIME": ("'2024-01-01 00:00:00+02:00'", "'2024-01-01 00:00:00'"),
    "TIMESTAMP": ("'2024-01-01 00:00:00.1234567'", "'2024-01-01 00:00:00.123456'"),
}


def test_a_value_the_quick_way_would_change_fails_as_ever(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """One such row among thousands is found and named, and `as: text` carries the others."""
    for kind, (value, good) in DOUBTFUL.items():
        db.execute("DROP TABLE IF EXISTS t")
        db.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {kind})")
        fill(db, f"i, {good}")
        assert read(url, "main.t").snapshot == QUICK, kind
        db.execute(f"UPDATE t SET v = {value} WHERE id = 20000")
        with pytest.raises(ValueNotCarried, match=r"main\.t: column 'v'"):
            read(url, "main.t")


def test_epochs_in_a_big_date_column_stay_numbers(
    db: sqlite3.Connection, url: str, read: Any
) -> None:
    """The scanner would take them for seconds."""
    db.execute("CREATE TABLE t (at DATETIME)")
    fill(db, "1700000000 + i")
    extract = read(url, "main.t")
    assert types(extract) == {"at": "BIGINT"}
    assert rows(extract, 'SELECT min("at"), max("at") FROM spool') == [(1700000001, 1700030000)]


@pytest.mark.parametrize(
    ("columns", "first", "count"),
    [
        ("id INTEGER PRIMARY KEY, v TEXT", 1, 122_880),  # the scanner loses the last of these
        ("id INTEGER PRIMARY KEY, v TEXT", -15_000, 30_000),
        ("id INTEGER PRIMARY KEY, v TEXT", 9_007_199_254_740_000, 30_000),
        ("rowid INTEGER, v TEXT", 1, 30_000),
        ("id INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID --", 1, 30_000),
    ],
)
def test_no_row_is_lost_whatever_the_rowids(
    db: sqlite3.Connection, url: str, read: Any, columns: str, first: int, count: int
) -> None:
    """The scanner cuts a table by `rowid`; each row comes once."""
    db.execute(f"CREATE TABLE t ({columns}\n" + ("" if ") WITHOUT" in columns else ")"))
    fill(db, "i, 'x'", count, first)
    extract = read(url, "main.t")
    name = "rowid" if columns.startswith("rowid") else "id"
    found = rows(extract, f"SELECT count(*), count(DISTINCT {name}), min({name}) FROM spool")
    assert (extract.rows, *found[0]) == (count, count, count, first)


WRITER = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"


@pytest.mark.parametrize(("journal", "way"), [("delete", QUICK), ("wal", EXACT)])
def test_a_commit_in_the_middle_of_the_quick_way_shows_nowhere(
    db: sqlite3.Connection,
    path: Path,
    url: str,
    read: Any,
    journal: str,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A rollback journal's writer has to wait; after a WAL's the file is read again."""
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    fill(db, "i, 'x'")
    db.close()  # a WAL has no index then, until its next reader makes one
    first = Window("id", nulls=True)
    assert read(url, "main.t", window=first).snapshot == QUICK
    original, refused = parquet.write, []

    def disturbed(*given: Any, **named: Any) -> int:
        written = original(*given, **named)
        change = "PRAGMA busy_timeout = 0; UPDATE t SET id = -id WHERE id = 5"
        code = [sys.executable, "-c", WRITER, str(path), change]
        refused.append(subprocess.run(code, stderr=subprocess.DEVNULL, check=False).returncode)
        return written

    monkeypatch.setattr(parquet, "write", disturbed)
    extract: Extract = read(url, "main.t", window=first, count_rows=True)
    assert (extract.snapshot, extract.rows, extract.source_rows) == (way, 30_000, 30_000)
    assert (refused[0] == 0) == (way == EXACT)
    found = rows(extract, "SELECT count(*) FROM spool WHERE id = -5")
    assert found == [(int(way == EXACT),)]


def test_nothing_stays_locked(db: sqlite3.Connection, path: Path, url: str, read: Any) -> None:
    """After a read of either way, good or failed, a writer need not wait."""
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    fill(db, "i, 'x'")
    change = "PRAGMA busy_timeout = 0; UPDATE t SET v = CAST(x'ff' AS TEXT) WHERE id = 20000"
    for way in (QUICK, None):
        if way is None:
            with pytest.raises(ValueNotCarried):
                read(url, "main.t")
        else:
            assert read(url, "main.t").snapshot == way
        subprocess.run([sys.executable, "-c", WRITER, str(path), change], check=True)


def test_big_rows_are_not_read_the_quick_way(db: sqlite3.Connection, url: str, read: Any) -> None:
    """The scanner holds 2,048 rows at once, however wide they are."""
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    fill(db, "i, hex(zeroblob(3000))", 10_500)
    assert read(url, "main.t").snapshot == QUICK
    db.execute("DELETE FROM t")
    fill(db, "i, hex(zeroblob(5000))", 10_500)
    assert read(url, "main.t").snapshot == EXACT
