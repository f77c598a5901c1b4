"""A hostile MariaDB: every type and edge, compared with the text the server prints."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest
from pydantic import TypeAdapter

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.model import TableName
from duckherd.catalog.mysql_connection import relation, session
from duckherd.catalog.source import Source
from duckherd.checks import run_checks
from duckherd.checks.model import Context
from duckherd.checks.vocabulary import Check
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
    ValueNotCarried,
)
from duckherd.extract import mysql_portions, parquet, retry
from duckherd.extract.model import Window
from extract_results import rows, types


def connect(url: str) -> Any:
    """A connection of the driver the tests fill tables with."""
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=unquote(parts.password or ""),
        database=parts.path[1:],
        charset="utf8mb4",
        autocommit=True,
    )


@pytest.fixture
def db(mariadb_url: str) -> Iterator[Any]:
    """A cursor in the database of this test."""
    with connect(mariadb_url) as connection, connection.cursor() as cursor:
        # No mode at all: zero dates and everything else a lax server accepted once.
        cursor.execute("set session sql_mode = '', time_zone = '+00:00'")
        yield cursor


@pytest.fixture
def name(mariadb_url: str) -> str:
    """Name of the database of this test."""
    return urlsplit(mariadb_url).path[1:]


@pytest.fixture(params=["consistent snapshot, in portions", "single statement"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a table is read: any table may be taken for one of wide rows."""
    portions = request.param != "single statement"
    monkeypatch.setattr(mysql_portions, "WIDE", 0 if portions else 1 << 40)
    monkeypatch.setattr(mysql_portions, "_FIRST_ROWS", 2)
    monkeypatch.setattr(mysql_portions, "_MOST_ROWS", 3)
    return str(request.param)


# type -> literals, type in the spool
HOSTILE: dict[str, tuple[list[str], str]] = {
    "tinyint(1)": (["-128", "127", "2"], "TINYINT"),
    "tinyint unsigned": (["255"], "SMALLINT"),
    "smallint unsigned": (["65535"], "INTEGER"),
    "mediumint unsigned": (["16777215"], "INTEGER"),
    "mediumint": (["-8388608"], "INTEGER"),
    "int unsigned": (["4294967295"], "BIGINT"),
    "int": (["-2147483648"], "INTEGER"),
    "bigint": (["-9223372036854775808"], "BIGINT"),
    "bigint unsigned": (["18446744073709551615", "0"], "DECIMAL(20,0)"),
    "decimal(10,0)": (["-9999999999"], "DECIMAL(10,0)"),
    "decimal(38,38)": (["0." + "9" * 38], "DECIMAL(38,38)"),
    "decimal(38,10)": (["9" * 28 + "." + "9" * 10, "-0.0000000001"], "DECIMAL(38,10)"),
    "decimal(65,30)": (["12345678." + "1" * 30, "-0.5"], "DECIMAL(38,30)"),
    "float": (["0.1", "-3.40282e38", "16777216"], "FLOAT"),
    "double": (["1.7976931348623157e308", "5e-324", "0.1"], "DOUBLE"),
    "bit(1)": (["b'1'", "b'0'"], "BIGINT"),
    "bit(64)": (["0xffffffffffffffff"], "DECIMAL(20,0)"),
    "char(5)": (["'ab  '", "''"], "VARCHAR"),
    "varchar(10)": (["'ab  '", "'🦆'", "''", "'a\\0b'"], "VARCHAR"),
    "varchar(9) character set latin1": (["'é'"], "VARCHAR"),
    "text character set ucs2": (["'żółć'"], "VARCHAR"),
    "varchar(9) character set gbk": (["'汉字'"], "VARCHAR"),
    "varchar(9) character set utf8mb3 collate utf8mb3_bin": (["'ż'"], "VARCHAR"),
    "varchar(9) collate utf8mb4_bin": (["'🦆'", "'A '"], "VARCHAR"),
    "tinytext": (["''", "'x'"], "VARCHAR"),
    "mediumtext": (["repeat('ż', 70000)"], "VARCHAR"),
    "longtext": (["repeat('🦆', 30000)"], "VARCHAR"),
    "binary(3)": (["'a'", "x'00ff00'"], "BLOB"),
    "varbinary(9)": (["x'00ff'", "''"], "BLOB"),
    "tinyblob": (["''", "x'ff'"], "BLOB"),
    "mediumblob": (["repeat(x'00', 70000)"], "BLOB"),
    "longblob": (["repeat(x'00ff', 40000)"], "BLOB"),
    "date": (["'0001-01-01'", "'9999-12-31'"], "DATE"),
    "datetime": (["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"], "TIMESTAMP"),
    "datetime(6)": (["'2024-03-31 02:30:00.000001'"], "TIMESTAMP"),
    "timestamp(6) null": (["'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07'"], "TIMESTAMP WITH TIME ZONE"),  # noqa: E501
    "time": (["'00:00:00'", "'23:59:59'"], "TIME"),
    "time(6)": (["'12:00:00.000001'"], "TIME"),
    "year": (["1901", "2155", "0"], "SMALLINT"),
    "enum('a','we]ird','')": (["'a'", "'we]ird'", "''", "99"], "VARCHAR"),
    "set('x','y')": (["'x,y'", "''"], "VARCHAR"),
    "json": (["'{\"a\":  1}'"], "VARCHAR"),
    "uuid": (["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"], "VARCHAR"),
    "inet4": (["'192.0.2.1'"], "VARCHAR"),
    "inet6": (["'::ffff:1.2.3.4'"], "VARCHAR"),
    "geometry": (["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')"], "BLOB"),  # noqa: E501
}  # fmt: skip


def test_every_value_reads_back_as_the_server_prints_it(
    db: Any, mariadb_url: str, name: str, read: Any, way: str
) -> None:
    """Each value of the spool, as text, is what MariaDB's own cast to text gives."""
    columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(HOSTILE))
    db.execute(f"create table `we]ird \"na'me` (n int primary key, {columns}) charset utf8mb4")
    most = max(len(values) for values, _ in HOSTILE.values())
    for number in range(most + 1):
        values = [v[number] if number < len(v) else "null" for v, _ in HOSTILE.values()]
        db.execute(f"insert into `we]ird \"na'me` values ({number}, {', '.join(values)})")
    extract = read(mariadb_url, TableName(name, "we]ird \"na'me"))
    assert (extract.snapshot, extract.rows) == (way, most + 1)
    found = list(types(extract).values())[1:]
    assert dict(zip(HOSTILE, found, strict=True)) == {
        k: wanted for k, (_, wanted) in HOSTILE.items()
    }
    for index, (kind, (_, wanted)) in enumerate(HOSTILE.items()):
        column = f"c{index}"
        printed = f"hex({column})" if wanted == "BLOB" else f"cast({column} as char)"
        if kind.startswith("bit"):
            printed = f"cast({column} + 0 as char)"
        db.execute(f"select {printed} from `we]ird \"na'me` order by n")
        original = [row[0] for row in db.fetchall()]
        carried = [
            row[0] for row in rows(extract, f"SELECT {_text(column, wanted)} FROM spool ORDER BY n")
        ]
        if wanted in {"DOUBLE", "FLOAT"}:
            # Printed with six digits a float is another: compare what it is as a double.
            column = f"CAST({column} AS DOUBLE)"
            db.execute(f"select {column} from `we]ird \"na'me` order by n")
            original = [row[0] for row in db.fetchall()]
            assert [row[0] for row in rows(extract, f"SELECT {column} FROM spool ORDER BY n")] == (
                original
            ), kind
        elif wanted.startswith(("TIME", "DATE")):
            assert [_trimmed(v) for v in carried] == [_trimmed(v) for v in original], kind
        elif kind == "year":
            assert carried == [v and str(int(v)) for v in original]
        else:
            # DuckDB leaves out the zero before the point of a DECIMAL(38,38).
            assert [v and re.sub(r"^(-?)\.", r"\g<1>0.", v) for v in carried] == original, kind


def _text(column: str, wanted: str) -> str:
    if wanted == "BLOB":
        return f"hex({column})"
    return f"CAST({column} AS VARCHAR)"


def _trimmed(text: str | None) -> str | None:
    """Without the zeros that only tell how many digits were declared, and without UTC's offset."""
    if text is None:
        return None
    text = text.removesuffix("+00")
    return text.rstrip("0").rstrip(".") if "." in text else text


REFUSED = {
    "date": ["'0000-00-00'", "'2024-02-00'", "'2024-02-31'", "'0000-01-01'"],
    "datetime": ["'0000-00-00 00:00:00'", "'2024-00-10 00:00:00'"],
    "timestamp null": ["0"],
    "time": ["'838:59:59'", "'-00:00:01'", "'24:00:00'"],
    "decimal(65,30)": ["123456789." + "1" * 30],
}


def test_a_value_that_cannot_be_carried_fails_naming_it_and_the_way_out(
    db: Any, mariadb_url: str, name: str, read: Any, way: str
) -> None:
    """The scanner's silent NULL for a zero date never happens."""
    db.execute("set session sql_mode = 'ALLOW_INVALID_DATES'")
    for kind, values in REFUSED.items():
        for value in values:
            db.execute("drop table if exists t")
            db.execute(f"create table t (id int primary key, v {kind})")
            db.execute(f"insert into t values (1, null), (2, {value})")
            db.execute("select cast(v as char) from t where id = 2")
            printed = db.fetchone()[0]
            with pytest.raises(ValueNotCarried) as caught:
                read(mariadb_url, f"{name}.t")
            assert f"{name}.t: column 'v'" in caught.value.message
            assert repr(printed) in caught.value.message
            texts = read(mariadb_url, f"{name}.t", columns={"v": {"as": "text"}})
            assert texts.snapshot == way
            assert rows(texts, "SELECT v FROM spool WHERE id = 2") == [(printed,)]


def test_the_catalog_tells_tables_columns_and_keys(db: Any, mariadb_url: str, name: str) -> None:
    """Kinds, nullability, keys, hidden and generated columns are as declared."""
    db.execute(
        "create table a (x int, y decimal(10,2) not null comment 'price', z varchar(9) unique, "
        "g int as (x + 1), h int invisible, primary key (y, x)) comment 'orders'"
    )
    db.execute("create view v as select 1 as one")
    source = Source.parse(mariadb_url)
    table, view = dialect_for(source).catalog(source)
    assert (str(table.name), table.comment, view.kind) == (f"{name}.a", "orders", "view")
    assert table.primary_key == ("y", "x")
    assert [(c.name, c.nullable, c.generated, c.hidden) for c in table.columns] == [
        ("x", False, False, False), ("y", False, False, False), ("z", True, False, False),
        ("g", True, True, False), ("h", True, False, True),
    ]  # fmt: skip
    assert (table.columns[1].precision, table.columns[1].scale) == (10, 2)
    assert table.columns[1].comment == "price"


def test_errors_name_what_to_do(
    db: Any, mariadb_url: str, name: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way a server can refuse has its error; none of them shows the password."""
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.0)
    db.execute("create table a (x int)")
    db.execute("create table b (x int)")
    db.execute("create or replace user guest_reader@'%' identified by 'gu3st-s3cret'")
    db.execute(f"grant select on {name}.a to guest_reader@'%'")
    parts = urlsplit(mariadb_url)
    guest = f"mysql://guest_reader:gu3st-s3cret@127.0.0.1:{parts.port}{parts.path}"
    assert read(guest, f"{name}.a").rows == 0
    with pytest.raises(SourceDenied, match=rf"{name}\.b"):
        read(guest, f"{name}.b")
    with pytest.raises(TableNotFound, match="nope"):
        read(mariadb_url, f"{name}.nope")
    with pytest.raises(SourceDenied) as denied:
        read(guest.replace("gu3st-s3cret", "wr0ng-s3cret"), f"{name}.a")
    assert "wr0ng" not in str(denied.value)
    with pytest.raises(SourceError, match="Unknown database") as unknown:
        read(parts._replace(path="/no_such_db").geturl(), f"{name}.a")
    assert type(unknown.value) is SourceError
    with pytest.raises(SourceUnreachable) as refused:
        read("mysql://u:s3cret-pw@127.0.0.1:1/db", "db.a")
    assert "s3cret-pw" not in str(refused.value)
    db.execute("drop user guest_reader@'%'")


def test_a_read_is_limited_in_time(db: Any, mariadb_url: str, name: str, read: Any) -> None:
    """Statement and lock timeouts come from the request."""
    db.execute("create table t (x int)")
    db.execute("insert into t values (1)")
    with pytest.raises(SourceBusy, match="statement timeout"):
        read(mariadb_url, f"{name}.t", where="sleep(20) = 0", statement_timeout=0.3)


def test_rules_and_windows_work_in_the_source(
    db: Any, mariadb_url: str, name: str, read: Any
) -> None:
    """Masks, renames, where, and a cursor of instants read in UTC."""
    db.execute("create table t (id int, at timestamp(6) null, card varchar(20), `we``ird` blob)")
    db.execute(
        "insert into t values (1, '2024-01-01 00:00:00', '4111111111111111', 'x'), "
        "(2, '2024-01-02 00:00:00.5', '123', null), (3, null, null, null)"
    )
    first = read(
        mariadb_url,
        f"{name}.t",
        columns={"card": {"mask": "last4"}, "we`ird": {"mask": "sha256", "rename": "w"}},
        window=Window("at"),
    )
    assert first.watermark == "2024-01-02 00:00:00.500000"
    found = rows(first, "SELECT id, card, w FROM spool ORDER BY id")
    assert [row[1] for row in found] == ["****1111", "****"]
    assert len(found[0][2]) == 64
    assert found[1][2] is None
    db.execute("insert into t values (4, '2024-01-02 00:00:00.6', null, null)")
    second = read(mariadb_url, f"{name}.t", window=Window("at", lower=first.watermark))
    assert [row[0] for row in rows(second)] == [4]
    late = read(
        mariadb_url,
        f"{name}.t",
        window=Window("at", lower=first.watermark, lookback="2d", nulls=True),
    )
    assert sorted(row[0] for row in rows(late)) == [1, 2, 3, 4]


def test_a_killed_connection_leaves_nothing_half_done(
    db: Any, mariadb_url: str, name: str, read: Any
) -> None:
    """The read fails as transient, and the next one reads the whole table."""
    db.execute("create table t (id int primary key, filler varchar(200))")
    db.execute("insert into t select seq, repeat('x', 200) from seq_1_to_50000")
    done = threading.Event()

    def kill() -> None:
        with connect(mariadb_url) as other, other.cursor() as cursor:
            while not done.wait(0.01):
                cursor.execute(
                    "select id from information_schema.processlist "
                    "where info like '%as `c0`%' and id <> connection_id()"
                )
                for (number,) in cursor.fetchall():
                    with contextlib.suppress(pymysql.err.Error):
                        cursor.execute(f"kill {number}")
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with pytest.raises(SourceError) as caught:
            read(mariadb_url, f"{name}.t", where="id <> 40000 or sleep(1) = 0")
        assert caught.value.transient
    finally:
        done.set()
        thread.join()
    extract = read(mariadb_url, f"{name}.t")
    assert rows(extract, "SELECT count(*), count(DISTINCT id) FROM spool") == [(50_000, 50_000)]


def test_the_server_counts_the_rows_of_the_read(
    db: Any, mariadb_url: str, name: str, read: Any
) -> None:
    """Under the same condition and window, and only when asked."""
    db.execute("create table t (id int)")
    db.execute("insert into t select seq from seq_1_to_10")
    assert read(mariadb_url, f"{name}.t").source_rows is None
    assert read(mariadb_url, f"{name}.t", count_rows=True).source_rows == 10
    found = read(
        mariadb_url, f"{name}.t", count_rows=True, where="id > 2", window=Window("id", lower="5")
    )
    assert (found.source_rows, found.rows) == (5, 5)


def test_rows_that_come_between_count_and_read_fail_the_check_beyond_its_tolerance(
    db: Any, mariadb_url: str, name: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server gives two statements two views, so `row_count: {source: true}` may fail."""
    db.execute("create table t (id int)")
    db.execute("insert into t select seq from seq_1_to_10")
    original = parquet.write

    def late(*given: Any, **named: Any) -> int:
        db.execute("insert into t values (11)")
        return original(*given, **named)

    monkeypatch.setattr(parquet, "write", late)
    extract = read(mariadb_url, f"{name}.t", count_rows=True)
    assert (extract.source_rows, extract.rows) == (10, 11)
    context = Context(f"{name}.t", extract.read_at, source_rows=extract.source_rows)
    asked: list[dict[str, Any]] = [{"row_count": {"source": wanted}} for wanted in (True, "10%")]
    checks = TypeAdapter(list[Check]).validate_python(asked)
    exact, within = run_checks(extract.files, extract.columns, checks, context)
    assert (exact.outcome, exact.observed) == ("fail", "11 rows of the source's 10")
    assert within.outcome == "pass"


@pytest.mark.parametrize(("option", "compression"), [("", "OFF"), ("?compress=true", "ON")])
def test_the_server_compresses_only_when_asked(
    mariadb_url: str, option: str, compression: str
) -> None:
    """The driver's own default would burn the source's processor for nothing on a local network."""
    with session(Source.parse(mariadb_url + option)) as cursor:
        status = relation("show session status like 'Compression'")
        assert cursor.execute(f"FROM {status}").fetchall() == [("Compression", compression)]


@pytest.mark.parametrize("kind", ["bigint unsigned", "int"])
def test_portions_are_of_one_view_under_the_conditions_of_the_read(
    db: Any, mariadb_url: str, name: str, read: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Rows that come or go between two portions change nothing; each row comes once."""
    monkeypatch.setattr(mysql_portions, "WIDE", 0)
    db.execute(f"create table t (id {kind} primary key, v longtext)")
    db.execute("insert into t select seq * 10, repeat('x', 1000) from seq_1_to_1000")
    original = mysql_portions._portion

    def disturbed(*given: Any) -> Any:
        portion = original(*given)
        db.execute("delete from t where id = 10000")
        db.execute("insert ignore into t values (5001, 'new'), (9999, 'new')")
        return portion

    whole = read(mariadb_url, f"{name}.t")
    monkeypatch.setattr(mysql_portions, "_portion", disturbed)
    again = read(mariadb_url, f"{name}.t", where="id > 10 and id <> 20")
    for extract, count in ((whole, 1000), (again, 998)):
        assert extract.snapshot == "consistent snapshot, in portions"
        found = rows(extract, "SELECT count(*), count(DISTINCT id), max(length(v)) FROM spool")
        assert found == [(count, count, 1000)]
    late = read(mariadb_url, f"{name}.t", window=Window("id", lower="9980"), count_rows=True)
    assert (late.rows, late.source_rows, late.watermark) == (2, 2, "9999")


def test_a_server_without_lasting_views_gives_one_statement(
    db: Any, mariadb_url: str, name: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At READ COMMITTED each portion would see another state of the table."""
    monkeypatch.setattr(mysql_portions, "WIDE", 0)
    db.execute("create table t (id int primary key)")
    db.execute("insert into t select seq from seq_1_to_10")
    db.execute("set global tx_isolation = 'READ-COMMITTED'")
    try:
        # Options make it another source, with connections of its own.
        extract = read(f"{mariadb_url}?compress=0", f"{name}.t")
    finally:
        db.execute("set global tx_isolation = 'REPEATABLE-READ'")
    assert (extract.snapshot, extract.rows) == ("single statement", 10)


def test_rows_that_turn_out_wide_are_read_in_portions(
    db: Any, mariadb_url: str, name: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mean hides them; what does not fit into memory at once is read again."""
    monkeypatch.setattr(mysql_portions, "WIDE", 1 << 40)
    db.execute("create table t (id int primary key, v longtext)")
    db.execute("insert into t select seq, repeat('x', 1000000) from seq_1_to_100")
    extract = read(mariadb_url, f"{name}.t", memory_limit=48 * 1024 * 1024)
    assert (extract.snapshot, extract.rows) == ("consistent snapshot, in portions", 100)
    assert rows(extract, "SELECT sum(length(v)) FROM spool") == [(100_000_000,)]
    db.execute("alter table t drop primary key")
    with pytest.raises(SourceError, match="could not allocate"):
        read(mariadb_url, f"{name}.t", memory_limit=48 * 1024 * 1024)


def test_generated_hidden_and_very_many_columns_are_read(
    db: Any, mariadb_url: str, name: str, read: Any
) -> None:
    """Generated ones like any other, hidden ones where a rule names them, 1,000 in one table."""
    db.execute(
        "create table g (x int, v int as (x + 1), s int as (x + 2) stored, h int invisible, "
        "`sélect` int, `a.b` int, `c ``d` int)"
    )
    db.execute("insert into g (x, h, `sélect`, `a.b`, `c ``d`) values (1, 9, 4, 5, 6)")
    found = read(mariadb_url, f"{name}.g")
    assert list(types(found)) == ["x", "v", "s", "sélect", "a.b", "c `d"]
    assert rows(found) == [(1, 2, 3, 4, 5, 6)]
    hidden = read(mariadb_url, f"{name}.g", columns={"h": {"include": True}})
    assert rows(hidden) == [(9,)]
    columns = ", ".join(f"c{i} tinyint default {i % 100}" for i in range(1000))
    db.execute(f"create table w (id int primary key, {columns})")
    db.execute("insert into w (id) select seq from seq_1_to_300")
    wide = read(mariadb_url, f"{name}.w")
    assert (wide.rows, len(wide.columns)) == (300, 1001)
    assert rows(wide, "SELECT DISTINCT c0, c999 FROM spool") == [(0, 99)]
