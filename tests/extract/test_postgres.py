"""Reading PostgreSQL: names, rules, windows, slices, broken connections, manners."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.errors import (
    ParameterError,
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)
from duckherd.extract import parquet, retry, slices
from duckherd.extract.model import Window
from extract_results import rows, types


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the database of this test."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def many_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a few megabytes are cut as if they were big."""
    monkeypatch.setattr(slices, "SMALLEST", 256 * 1024)
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.01)


def big(db: psycopg.Connection[Any], count: int = 60_000) -> None:
    """A table of some megabytes."""
    db.execute("create table big (id int primary key, filler text)")
    db.execute("insert into big select i, repeat('x', 100) from generate_series(1, %s) i", [count])


def test_the_catalog_tells_tables_columns_and_keys(
    db: psycopg.Connection[Any], postgres_url: str
) -> None:
    """Kinds, types, nullability, keys, comments and generated columns are as declared."""
    db.execute("create schema sales")
    db.execute("create table sales.a (x int, y numeric(10,2) not null, primary key (y, x))")
    db.execute("alter table sales.a add g int generated always as (x + 1) stored")
    db.execute("alter table sales.a add u varchar(7) unique")
    db.execute("comment on table sales.a is 'orders'; comment on column sales.a.x is 'number'")
    db.execute("create view sales.v as select 1 as one")
    db.execute("create materialized view sales.m as select 1 as one")
    db.execute("create table p (d date) partition by range (d)")
    db.execute("create table p1 partition of p for values from ('2020-01-01') to ('2021-01-01')")
    db.execute("insert into sales.a select i, 1 from generate_series(1, 1000) i; analyze sales.a")
    found = {
        str(t.name): t
        for t in dialect_for(Source.parse(postgres_url)).catalog(Source.parse(postgres_url))
    }
    assert list(found) == ["public.p", "sales.a", "sales.m", "sales.v"]
    table = found["sales.a"]
    assert (table.kind, table.rows, table.comment) == ("table", 1000, "orders")
    assert table.primary_key == ("y", "x")
    assert [(c.name, c.type, c.nullable, c.generated) for c in table.columns] == [
        ("x", "integer", False, False),
        ("y", "numeric(10,2)", False, False),
        ("g", "integer", True, True),
        ("u", "character varying(7)", True, False),
    ]
    assert table.columns[0].comment == "number"
    assert (table.columns[1].precision, table.columns[1].scale) == (10, 2)
    assert {key.columns for key in table.keys} == {("y", "x"), ("u",)}
    assert found["sales.v"].kind == found["sales.m"].kind == "view"


def test_odd_tables_are_read(db: psycopg.Connection[Any], postgres_url: str, read: Any) -> None:
    """Empty, partitioned, generated, 1,500 columns, names that differ in case or need quotes."""
    db.execute("create table e (a int, b numeric(5,1), c text[])")
    empty = read(postgres_url, "public.e")
    assert (empty.rows, types(empty)) == (
        0,
        {"a": "INTEGER", "b": "DECIMAL(5,1)", "c": "VARCHAR[]"},
    )
    db.execute("create table p (d date) partition by range (d)")
    db.execute("create table p1 partition of p for values from ('2020-01-01') to ('2021-01-01')")
    db.execute("create table p2 partition of p for values from ('2021-01-01') to ('2022-01-01')")
    db.execute("insert into p values ('2020-05-05'), ('2021-05-05')")
    assert read(postgres_url, "public.p").rows == 2
    assert read(postgres_url, "public.p1").rows == 1
    db.execute("create table g (a int, s int generated always as (a * 2) stored)")
    db.execute("alter table g add v int generated always as (a * 3) virtual")
    db.execute("insert into g values (7)")
    assert rows(read(postgres_url, "public.g")) == [(7, 14, 21)]
    db.execute("alter table g drop column s; alter table g add late text default 'x'")
    assert rows(read(postgres_url, "public.g")) == [(7, 21, "x")]
    db.execute("create table heir (own int) inherits (g); insert into heir (a, own) values (8, 1)")
    assert sorted(rows(read(postgres_url, "public.g"))) == [(7, 21, "x"), (8, 24, "x")]
    columns = ", ".join(f"c{i} int default {i}" for i in range(1500))
    db.execute(f"create table wide ({columns})".encode())
    db.execute("insert into wide (c0) select 0 from generate_series(1, 3000)")
    wide = read(postgres_url, "public.wide", memory_limit=128 * 1024 * 1024)
    assert (wide.rows, len(wide.columns)) == (3000, 1500)
    assert rows(wide, "SELECT sum(c1499) FROM spool") == [(1499 * 3000,)]
    db.execute('create table cases ("A" int, a int, "a_2" int, "select \'\'; --" int, "0" int)')
    db.execute("insert into cases values (1, 2, 3, 4, 5)")
    cases = read(postgres_url, "public.cases")
    assert [c.name for c in cases.columns] == ["A", "a_2", "a_2_2", "select ''; --", "0"]
    assert rows(cases) == [(1, 2, 3, 4, 5)]
    db.execute("create table nothing ()")
    with pytest.raises(SourceError, match="no column to read"):
        read(postgres_url, "public.nothing")


def test_rules_are_applied_in_the_source(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Masked text is neither in the spool nor needed there; the others are renamed, cast, left out."""  # noqa: E501
    db.execute(
        "create table people (id int, name text, email text, card text, born date, note text)"
    )
    db.execute(
        "insert into people values (1, 'Ada', 'ada@example.org', '4111111111111111', '1815-12-10', 'x')"  # noqa: E501
    )
    db.execute("insert into people values (2, null, null, '123', null, null)")
    extract = read(
        postgres_url,
        "public.people",
        columns={
            "name": {"mask": "redact"}, "email": {"mask": "sha256", "rename": "email_hash"},
            "card": {"mask": "last4"}, "born": {"as": "text"}, "note": "exclude",
        },
        where="id > 0",
    )  # fmt: skip
    digest = hashlib.sha256(b"ada@example.org").hexdigest()
    found = rows(extract, "FROM spool ORDER BY id")
    assert found[1] == (2, None, None, "****", None)
    assert found[0][:2] == (1, "***")
    assert found[0][2] == digest
    assert found[0][3:] == ("****1111", "1815-12-10")
    assert [c.masked for c in extract.columns] == [False, True, True, True, False]
    spool = b"".join(file.read_bytes() for file in extract.files)
    for clear in (b"ada@example", b"41111111", b"Ada"):
        assert clear not in spool
    only = read(postgres_url, "public.people", columns={"*": "exclude", "id": "include"})
    assert [c.name for c in only.columns] == ["id"]
    with pytest.raises(ParameterError, match="no column 'nmae'") as caught:
        read(postgres_url, "public.people", columns={"nmae": "exclude"})
    assert str(caught.value.hint).startswith("nearest: name")


def test_errors_name_what_to_do(
    db: psycopg.Connection[Any], postgres_url: str, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way a source can refuse has its error; none of them shows the password."""
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.0)
    db.execute("create table a (x int); create table b (x int, y int)")
    db.execute("drop role if exists guest_reader")
    db.execute("create role guest_reader login password 'gu3st-s3cret'")
    db.execute("grant select on a to guest_reader; grant select (x) on b to guest_reader")
    parts = urlsplit(postgres_url)
    guest = f"postgresql://guest_reader:gu3st-s3cret@{parts.netloc.rpartition('@')[2]}{parts.path}"
    guest += f"?{parts.query}" if parts.query else ""
    assert read(guest, "public.a").rows == 0
    with pytest.raises(SourceDenied, match=r"public\.b, columns y"):
        read(guest, "public.b")
    db.execute("revoke all on b from guest_reader")
    with pytest.raises(SourceDenied, match=r"permission denied for public\.b"):
        read(guest, "public.b")
    with pytest.raises(TableNotFound, match=r"public\.nope"):
        read(postgres_url, "public.nope")
    with pytest.raises(SourceError, match="does not exist") as unknown:
        read(parts._replace(path="/no_such_db").geturl(), "public.a")
    assert type(unknown.value) is SourceError
    with pytest.raises(SourceUnreachable, match="refused") as refused:
        read("postgresql://u:s3cret-pw@127.0.0.1:1/db", "public.a")
    assert "s3cret-pw" not in str(refused.value)
    with pytest.raises(SourceUnreachable):
        read("postgresql://u:s3cret-pw@no-such-host.invalid/db", "public.a")
    with pytest.raises(SourceDenied) as denied:
        read(guest.replace("guest_reader:gu3st-s3cret", "nobody_at_all:s3cret-pw"), "public.a")
    assert "s3cret-pw" not in str(denied.value)
    with pytest.raises(SourceError, match="unknown option 'sslmod'") as option:
        read(postgres_url.partition("?")[0] + "?sslmod=require", "public.a")
    assert option.value.hint == "did you mean 'sslmode'?"
    db.execute("drop owned by guest_reader; drop role guest_reader")


def test_rows_a_policy_hides_are_an_error(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """They would be missing without a word; whoever wants only the others says so."""
    db.execute(
        "create table deals (id int, team text); insert into deals values (1, 'a'), (2, 'b')"
    )
    db.execute("drop role if exists team_reader; create role team_reader login password 'pw'")
    db.execute("grant select on deals to team_reader; alter table deals enable row level security")
    db.execute("create policy own on deals to team_reader using (team = 'a')")
    parts = urlsplit(postgres_url)
    host = parts.netloc.rpartition("@")[2]
    reader = parts._replace(netloc=f"team_reader:pw@{host}").geturl()
    mark = "&" if "?" in reader else "?"
    try:
        with pytest.raises(SourceDenied, match=r"public\.deals.*row-level security") as refused:
            read(reader, "public.deals")
        assert "?row_security=on" in (refused.value.hint or "")
        assert read(f"{reader}{mark}row_security=on", "public.deals").rows == 1
        with pytest.raises(SourceError, match="row_security='yes' in the URL is not on or off"):
            read(f"{reader}{mark}row_security=yes", "public.deals")
        db.execute("alter role team_reader bypassrls")
        assert read(reader, "public.deals").rows == 2
    finally:
        db.execute("drop owned by team_reader; drop role team_reader")


def test_sessions_are_read_only_named_and_limited(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """A read can write nothing, waits no longer than told, and shows which table it reads."""
    db.execute("create table t (x int); insert into t values (1); create sequence s")
    with pytest.raises(SourceError, match="read-only transaction"):
        read(postgres_url, "public.t", where="nextval('s') > 0")
    with pytest.raises(SourceBusy, match="statement timeout"):
        read(postgres_url, "public.t", where="pg_sleep(30) is not null", statement_timeout=0.2)
    with psycopg.connect(postgres_url) as locker:
        locker.execute("lock table t in access exclusive mode")
        with pytest.raises(SourceBusy, match="lock timeout"):
            read(postgres_url, "public.t", lock_timeout=0.2)
    named = read(
        postgres_url,
        "public.t",
        where="current_setting('application_name') = 'duckherd public.t'",
    )
    assert named.rows == 1


def test_connections_are_kept_and_checked_before_use(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """The second read uses the first one's connection; a dead one is replaced unseen."""
    db.execute("create table t as select 1 as x")
    ours = "select pid from pg_stat_activity where application_name like 'duckherd%' and datname = current_database()"  # noqa: E501
    read(postgres_url, "public.t")
    first = db.execute(ours).fetchall()
    read(postgres_url, "public.t")
    assert db.execute(ours).fetchall() == first
    assert len(first) == 1
    db.execute("select pg_terminate_backend(%s)", [first[0][0]])
    assert read(postgres_url, "public.t").rows == 1


@pytest.mark.usefixtures("many_slices")
def test_slices_are_one_snapshot_on_at_most_max_connections(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Rows written, moved and deleted while slices are read neither double nor vanish."""
    big(db)
    over = threading.Event()
    most = [0]

    def disturb() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            while not over.is_set():
                other.execute("update big set filler = filler where mod(id, 7) = 0")
                other.execute("insert into big select max(id) + 1, 'new' from big")
                row = other.execute(
                    "select count(*) from pg_stat_activity where datname = current_database() "
                    "and application_name = 'duckherd public.big'"
                ).fetchone()
                most[0] = max(most[0], row[0] if row else 0)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(3):
            extract = read(postgres_url, "public.big", max_connections=2, slice_bytes=512 * 1024)
            assert len(extract.files) > 4
            assert extract.snapshot == "exported snapshot, 2 connections"
            (found,) = rows(
                extract, "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM spool"
            )
            assert found[0] == found[1] == found[3] - found[2] + 1 == extract.rows
    finally:
        over.set()
        thread.join()
    assert 1 <= most[0] <= 2


@pytest.mark.usefixtures("many_slices")
def test_killed_connections_give_the_whole_table_or_a_transient_error(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Whatever connection dies whenever: no row is missing, none is doubled, nothing half-done."""
    big(db, 30_000)
    outcomes = set()
    for pause in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2):
        over = threading.Event()

        def kill(pause: float = pause, over: threading.Event = over) -> None:
            with psycopg.connect(postgres_url, autocommit=True) as other:
                while not over.wait(pause or 0.01):
                    other.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity where "
                        "application_name = 'duckherd public.big' order by random() limit 1"
                    )
                    if pause:
                        return

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            extract = read(postgres_url, "public.big", max_connections=2, slice_bytes=300_000)
            assert rows(extract, "SELECT count(*), count(DISTINCT id) FROM spool") == [
                (30_000, 30_000)
            ]
            outcomes.add("whole")
        except SourceUnreachable:
            outcomes.add("transient")
        finally:
            over.set()
            thread.join()
        assert read(postgres_url, "public.big").rows == 30_000
    assert "whole" in outcomes


def test_a_slice_that_failed_is_read_again_alone(
    db: psycopg.Connection[Any], postgres_url: str, read: Any, many_slices: None
) -> None:
    """The other connection's snapshot is joined anew; finished slices stay as they are."""
    big(db, 30_000)
    db.execute("create table killed (done bool)")
    db.execute(
        """create function kill_once(id int) returns bool language plpgsql volatile as $$
        begin
          -- Not the session that exported the snapshot: the one reading the last slice.
          if id = 29999 and not exists (
            select from pg_stat_activity where application_name = 'victim is dead') then
            perform pg_advisory_lock(1);
          end if;
          return true;
        end $$"""
    )
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(1)")

        def kill() -> None:
            with psycopg.connect(postgres_url, autocommit=True) as killer:
                for _ in range(500):
                    waiting = killer.execute(
                        "select pid from pg_locks where locktype = 'advisory' and not granted"
                    ).fetchall()
                    if waiting:
                        killer.execute("set application_name = 'victim is dead'")
                        killer.execute("select pg_terminate_backend(%s)", waiting[0])
                        other.execute("select pg_advisory_unlock_all()")
                        time.sleep(3)
                        return
                    time.sleep(0.02)

        thread = threading.Thread(target=kill)
        thread.start()
        extract = read(
            postgres_url,
            "public.big",
            max_connections=2,
            slice_bytes=300_000,
            where="kill_once(id)",
        )
        thread.join()
    assert rows(extract, "SELECT count(*), count(DISTINCT id) FROM spool") == [(30_000, 30_000)]


def windowed(read: Any, url: str, **window: Any) -> Any:
    """Read one window of the table `t`."""
    return read(url, "public.t", window=Window(**window))


def test_windows_follow_each_other_without_gap_or_overlap(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """First load, ties, NULL cursors, lookback, late rows, nothing new, and a backfill."""
    db.execute("create table t (id int, at timestamptz)")
    db.execute(
        "insert into t values (1, '2024-01-01 00:00:00.000001+00'), (2, '2024-01-01 01:00+01'), "
        "(3, null), (4, '2024-01-02 00:00+00'), (5, '2024-01-02 00:00+00')"
    )
    first = windowed(read, postgres_url, column="at", nulls=True)
    assert (first.rows, first.lower, first.watermark) == (5, None, "2024-01-02 00:00:00+00")
    db.execute("insert into t values (6, '2024-01-02 00:00:00.5+00'), (7, '2023-12-31 00:00+00')")
    second = windowed(read, postgres_url, column="at", lower=first.watermark)
    assert [row[0] for row in rows(second)] == [6]
    assert second.watermark == "2024-01-02 00:00:00.5+00"
    late = windowed(
        read, postgres_url, column="at", lower=second.watermark, lookback="3d", nulls=True
    )
    assert sorted(row[0] for row in rows(late)) == [1, 2, 3, 4, 5, 6, 7]
    assert (late.lower, late.watermark) == ("2023-12-30 00:00:00.500000+00:00", second.watermark)
    none = windowed(read, postgres_url, column="at", lower=second.watermark)
    assert (none.rows, none.watermark) == (0, second.watermark)
    backfill = windowed(
        read,
        postgres_url,
        column="at",
        lower="2024-01-01",
        upper="2024-01-02",
        lower_inclusive=True,
    )
    assert sorted(row[0] for row in rows(backfill)) == [1, 2, 4, 5]
    db.execute("truncate t")
    assert windowed(read, postgres_url, column="at").watermark is None
    keys = read(postgres_url, "public.t", key=("id",), keys_only=True)
    assert [c.name for c in keys.columns] == ["id"]
    with pytest.raises(ParameterError, match="no column 'ta'"):
        windowed(read, postgres_url, column="ta")


def test_an_integer_cursor_looks_back_by_numbers(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Bounds compare as numbers, not as text."""
    db.execute("create table t as select i::bigint as id from generate_series(1, 100) i")
    extract = windowed(read, postgres_url, column="id", lower="9", lookback="2")
    assert (extract.rows, extract.lower, extract.watermark) == (93, "7", "100")
    with pytest.raises(ParameterError, match="does not fit a cursor of numbers"):
        windowed(read, postgres_url, column="id", lower="9", lookback="1h")


def test_xmin_leaves_open_transactions_to_the_next_run(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Rows of a transaction that is still open come with the run after its commit, once."""
    db.execute("create table t (id int); insert into t values (1)")
    with psycopg.connect(postgres_url) as slow:
        slow.execute("insert into t values (2)")
        db.execute("insert into t values (3)")
        first = windowed(read, postgres_url, column="xmin")
        slow.commit()
    second = windowed(read, postgres_url, column="xmin", lower=first.watermark)
    seen = [row[0] for row in rows(first)] + [row[0] for row in rows(second)]
    assert sorted(seen) == [1, 2, 3]
    db.execute("update t set id = 10 where id = 1")
    third = windowed(read, postgres_url, column="xmin", lower=second.watermark)
    assert rows(third) == [(10,)]


def test_a_table_name_may_hold_anything(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Dots, quotes, percent signs, emoji and line breaks in schema, table and column."""
    schema, table, column = 'a.b"c', "x'y\"%z\n🦆", "q\"'%s{c}\\"
    quoted = ['"' + part.replace('"', '""') + '"' for part in (schema, table, column)]
    db.execute(f"create schema {quoted[0]}".encode())
    db.execute(f"create table {quoted[0]}.{quoted[1]} ({quoted[2]} numeric(4,1))".encode())
    db.execute(f"insert into {quoted[0]}.{quoted[1]} values (1.5)".encode())
    extract = read(postgres_url, TableName(schema, table))
    assert [c.name for c in extract.columns] == [column]
    assert [str(value) for (value,) in rows(extract)] == ["1.5"]


def test_the_server_counts_the_rows_of_the_read_in_the_same_snapshot(
    db: psycopg.Connection[Any],
    postgres_url: str,
    read: Any,
    many_slices: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under the same condition and window, whatever commits before the rows are read."""
    big(db)
    assert read(postgres_url, "public.big").source_rows is None
    original = parquet.write

    def written(*given: Any, **named: Any) -> int:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("insert into big select max(id) + 1 from big on conflict do nothing")
        return original(*given, **named)

    monkeypatch.setattr(parquet, "write", written)
    whole = read(postgres_url, "public.big", count_rows=True)
    assert len(whole.files) > 1
    assert (whole.source_rows, whole.rows) == (60_000, 60_000)
    part = read(
        postgres_url,
        "public.big",
        count_rows=True,
        where="id % 2 = 0",
        window=Window("id", lower="100", upper="200"),
    )
    assert (part.source_rows, part.rows) == (50, 50)
