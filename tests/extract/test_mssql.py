"""Reading SQL Server: windows, rules, slices, consistency, errors."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import mssql_python
import pytest

from duckherd.catalog.model import TableName
from duckherd.catalog.mssql import quote
from duckherd.catalog.mssql_connection import connect, connection_string, rows
from duckherd.catalog.source import Source
from duckherd.errors import (
    ParameterError,
    SourceBusy,
    SourceDenied,
    SourceError,
    TableNotFound,
)
from duckherd.extract import mssql
from duckherd.extract.model import Request, Window
from duckherd.extract.mssql_plan import measured, plan_of
from duckherd.extract.mssql_slices import boundaries, ranges
from duckherd.extract.parquet import now
from duckherd.extract.rules import ColumnRule
from mssql_live import Live, live, rows_of
from servers import wait_until

if not os.environ.get("DUCKHERD_TEST_MSSQL_URL"):  # one line instead of one a test
    pytest.skip("set DUCKHERD_TEST_MSSQL_URL to run SQL Server's tests", allow_module_level=True)


@pytest.fixture(scope="module")
def database(mssql_url: str) -> Iterator[Live]:
    """A schema of this module's own."""
    with live(mssql_url) as found:
        yield found


def rule(**values: object) -> ColumnRule:
    """A column rule as prefect.yaml writes it."""
    return ColumnRule.model_validate(values)


def test_the_server_is_named(database: Live):
    """`debug` shows what answered, in one line."""
    assert mssql.DIALECT.check_source(database.source) == database.server.description
    assert "\n" not in database.server.description


def test_odd_names_of_tables_and_columns_are_read(database: Live, tmp_path):
    """Brackets, quotes, dots, keywords and letters of any script are part of a name."""
    odd = """we]ird "na'me.żółć"""
    columns = ["""co]l "x'.""", "select", "zażółć", "--", " "]
    full = database.table(odd, ", ".join(f"{quote(column)} int" for column in columns))
    database.run(f"INSERT INTO {full} VALUES (1, 2, 3, 4, 5)")
    found, arrived = database.read(odd, tmp_path)
    assert [column.name for column in found.columns] == columns
    assert arrived == [(1, 2, 3, 4, 5)]


def test_an_empty_table_has_a_schema(database: Live, tmp_path):
    """One file without rows, with every column and type."""
    database.table("empty", "a int NOT NULL, u uniqueidentifier, t time(3), m nvarchar(max)")
    found, arrived = database.read("empty", tmp_path)
    assert arrived == []
    assert (found.rows, len(found.files)) == (0, 1)
    assert [(c.name, c.type, c.nullable) for c in found.columns] == [
        ("a", "INTEGER", False),
        ("u", "UUID", True),
        ("t", "TIME", True),
        ("m", "VARCHAR", True),
    ]


def test_a_view_is_read(database: Live, tmp_path):
    """Views are read as tables are."""
    view = f"{quote(database.schema)}.[seen]"
    database.run(f"CREATE VIEW {view} AS SELECT 1 AS one, N'zwei' AS two")
    try:
        assert database.read("seen", tmp_path)[1] == [(1, "zwei")]
    finally:
        database.run(f"DROP VIEW {view}")


def test_where_is_one_condition_whatever_it_holds(database: Live, tmp_path):
    """An OR or a comment at the end does not reach the conditions beside it."""
    full = database.table("chosen", "id int")
    database.run(f"INSERT INTO {full} VALUES (1), (2), (3), (4)")
    window = Window("id", lower="1")
    found, arrived = database.read(
        "chosen", tmp_path, where="id = 1 OR id > 2 -- all", window=window
    )
    assert arrived == [(3,), (4,)]
    assert found.watermark == "4"


def test_masks_leave_no_clear_text_in_the_spool(database: Live, tmp_path):
    """sha256 is the hash of the text's UTF-8; NULL stays NULL whatever the mask."""
    full = database.table("people", "id int, h nvarchar(30), r nvarchar(30), n nvarchar(30), l int")
    database.run(f"INSERT INTO {full} VALUES (1, N'zażółć', N'secret-r', N'secret-n', 123456789)")
    database.run(f"INSERT INTO {full} VALUES (2, NULL, NULL, NULL, NULL), (3, N'', N'', N'', 1234)")
    columns = {"h": rule(mask="sha256"), "r": rule(mask="redact"), "n": rule(mask="null"),
               "l": rule(mask="last4", rename="tail")}  # fmt: skip
    if not database.server.babelfish and not database.server.utf8_collations:
        with pytest.raises(SourceError, match="needs SQL Server 2019"):
            database.read("people", tmp_path, columns=columns)
        return
    found, arrived = database.read("people", tmp_path, columns=columns)

    def hashed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert arrived == [
        (1, hashed("zażółć"), "***", None, "****6789"),
        (2, None, None, None, None),
        (3, hashed(""), "***", None, "****"),
    ]
    assert [column.masked for column in found.columns] == [False, True, True, True, True]
    assert found.columns[4].name == "tail"
    clear = b"".join(file.read_bytes() for file in found.files)
    assert b"secret" not in clear
    assert not any("secret" in query for query in found.queries)


def test_excluded_columns_are_not_asked_for(database: Live, tmp_path):
    """A column left out does not even appear in the query."""
    full = database.table("partly", "id int, photo varbinary(max), name nvarchar(10)")
    database.run(f"INSERT INTO {full} VALUES (1, 0x00, N'a')")
    found, arrived = database.read("partly", tmp_path, columns={"photo": rule(exclude=True)})
    assert arrived == [(1, "a")]
    assert "photo" not in found.queries[0]
    with pytest.raises(ParameterError, match="foto"):
        database.read("partly", tmp_path, columns={"foto": rule(exclude=True)})


def test_only_keys_are_read_to_find_deleted_rows(database: Live, tmp_path):
    """`keys_only` reads the key and nothing else."""
    full = database.table("keyed", "a int, b int, c nvarchar(max)")
    database.run(f"INSERT INTO {full} VALUES (1, 2, N'x')")
    assert database.read("keyed", tmp_path, key=("a", "b"), keys_only=True)[1] == [(1, 2)]


# --- windows ------------------------------------------------------------------------


def test_a_window_takes_up_where_the_last_one_ended(database: Live, tmp_path):
    """No row twice, none missing; the watermark never goes back."""
    full = database.table("events", "id int, note nvarchar(9)")
    database.run(f"INSERT INTO {full} VALUES (1, 'a'), (2, 'b'), (2, 'tie'), (NULL, 'none')")
    first, arrived = database.read("events", tmp_path, window=Window("id", nulls=True))
    assert sorted(arrived, key=str) == [(1, "a"), (2, "b"), (2, "tie"), (None, "none")]
    assert first.watermark == "2"

    nothing, arrived = database.read("events", tmp_path, window=Window("id", lower="2"))
    assert (arrived, nothing.watermark) == ([], "2")

    database.run(f"INSERT INTO {full} VALUES (3, 'c')")
    second, arrived = database.read("events", tmp_path, window=Window("id", lower="2"))
    assert (arrived, second.watermark) == ([(3, "c")], "3")

    database.run(f"DELETE FROM {full} WHERE id = 3")
    third, arrived = database.read("events", tmp_path, window=Window("id", lower="3"))
    assert (arrived, third.watermark) == ([], "3")


def test_lookback_reads_below_the_watermark(database: Live, tmp_path):
    """In time for moments, in units for numbers."""
    full = database.table("late", "id int, at datetime2(3), on_day date")
    database.run(
        f"INSERT INTO {full} VALUES (1, '2024-01-01 10:00:00', '2024-01-01'), "
        "(2, '2024-01-01 11:30:00', '2024-01-02'), (3, '2024-01-01 12:00:00', '2024-01-03')"
    )
    by_time = Window("at", lower="2024-01-01 12:00:00.000", lookback="1h")
    found, arrived = database.read("late", tmp_path, window=by_time)
    assert [row[0] for row in arrived] == [2, 3]
    assert found.lower is not None
    assert found.lower.startswith("2024-01-01 11:00:00")
    by_number = Window("id", lower="3", lookback="2")
    assert [row[0] for row in database.read("late", tmp_path, window=by_number)[1]] == [2, 3]
    by_day = Window("on_day", lower="2024-01-03", lookback="25h")
    assert [row[0] for row in database.read("late", tmp_path, window=by_day)[1]] == [2, 3]
    with pytest.raises(ParameterError, match="lookback"):
        database.read("late", tmp_path, window=Window("id", lower="3", lookback="1h"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("datetime", ["2024-01-01 10:00:00.003", "2024-01-01 10:00:00.007"]),
        ("datetime2(7)", ["2024-01-01 10:00:00.1234567", "2024-01-01 10:00:00.1234577"]),
        ("datetime2(6)", ["2024-01-01 10:00:00.000001", "2024-01-01 10:00:00.000002"]),
        ("smalldatetime", ["2024-01-01 10:00:00", "2024-01-01 10:01:00"]),
        ("datetimeoffset(3)", ["2024-01-01 10:00:00.001 +02:00", "2024-01-01 10:00:00.001 +00:00"]),
        ("decimal(38,10)", ["-0.0000000001", "1234567890123456789012345678.0000000001"]),
        ("money", ["0.0001", "0.0002"]),
        ("bigint", ["-9223372036854775808", "9223372036854775807"]),
        ("float", ["0.1", "0.30000000000000004"]),
        ("varchar(10)", ["a'b", "b"]),
    ],
)
def test_a_watermark_survives_as_text(database: Live, tmp_path, kind: str, values: list[str]):
    """The bound a run gives back finds nothing twice and misses nothing the next time."""
    name = f"cursor {kind}"
    full = database.table(name, f"id int, c {kind}")
    low, high = (value.replace("'", "''") for value in values)
    database.run(f"INSERT INTO {full} VALUES (1, '{low}')")
    first, _ = database.read(name, tmp_path, window=Window("c"))
    database.run(f"INSERT INTO {full} VALUES (2, '{high}')")
    second, arrived = database.read(name, tmp_path, window=Window("c", lower=first.watermark))
    assert [row[0] for row in arrived] == [2]
    third, arrived = database.read(name, tmp_path, window=Window("c", lower=second.watermark))
    assert (arrived, third.watermark) == ([], second.watermark)


def test_a_rowversion_is_a_cursor(database: Live, tmp_path):
    """Its bounds are hexadecimal, as the server writes them."""
    database.needs(f"CREATE TABLE {quote(database.schema)}.[versioned] (v rowversion)")
    full = database.table("versioned", "id int, v rowversion")
    database.run(f"INSERT INTO {full} (id) VALUES (1)")
    first, _ = database.read("versioned", tmp_path, window=Window("v"))
    assert first.watermark is not None
    assert first.watermark.startswith("0x")
    assert len(first.watermark) == 18
    database.run(f"INSERT INTO {full} (id) VALUES (2)")
    window = Window("v", lower=first.watermark)
    second, arrived = database.read("versioned", tmp_path, window=window)
    assert [row[0] for row in arrived] == [2]
    assert second.watermark is not None
    assert second.watermark > first.watermark
    back = Window("v", lower=second.watermark, lookback="1000000")
    assert len(database.read("versioned", tmp_path, window=back)[1]) == 2


def test_a_backfill_takes_both_ends(database: Live, tmp_path):
    """`--from` and `--to` are inclusive and may be written short."""
    full = database.table("days", "d datetime2(0)")
    database.run(
        f"INSERT INTO {full} VALUES ('2024-01-01'), ('2024-01-02'), ('2024-01-03 00:00:01')"
    )
    window = Window("d", lower="2024-01-01", upper="2024-01-03", lower_inclusive=True)
    assert len(database.read("days", tmp_path, window=window)[1]) == 2
    with pytest.raises(ParameterError, match="'no date' is not a value"):
        database.read("days", tmp_path, window=replace(window, lower="no date"))


def test_a_cursor_must_be_a_column_that_can_be_compared(database: Live, tmp_path):
    """A missing or unordered cursor is refused before anything is read."""
    database.table("uncursed", "a int, x xml")
    with pytest.raises(ParameterError, match="no column 'b'"):
        database.read("uncursed", tmp_path, window=Window("b"))
    with pytest.raises(ParameterError, match="xml cannot be a cursor"):
        database.read("uncursed", tmp_path, window=Window("x"))


# --- large values, slices, consistency ----------------------------------------------


def test_short_values_of_unbounded_types_are_read_in_blocks(database: Live, tmp_path):
    """A (max) column whose values are short is cast to a bounded type; long ones are not."""
    full = database.table("lobs", "id int, short nvarchar(max), long varchar(max)")
    for number in range(30):
        database.run(
            f"INSERT INTO {full} VALUES ({number}, N'krótko', "
            f"REPLICATE(CAST('{number % 10}' AS varchar(max)), {20000 + number}))"
        )
    found, arrived = database.read("lobs", tmp_path, memory_limit=1_000_000)
    assert [(n, s, len(text), set(text)) for n, s, text in sorted(arrived)] == [
        (number, "krótko", 20000 + number, {str(number % 10)}) for number in range(30)
    ]
    assert "CAST([short] AS nvarchar(" in found.queries[0]
    assert "[long] AS [c2]" in found.queries[0]


def test_a_value_that_outgrows_its_measured_size_is_not_cut(database: Live, tmp_path):
    """Between measuring and reading a value may grow: the read fails, to be tried again."""
    full = database.table("growing", "c nvarchar(max)")
    database.run(f"INSERT INTO {full} VALUES (N'ab')")
    (tmp_path / "spool").mkdir()
    request = Request(database.source, TableName(database.schema, "growing"), tmp_path / "spool")
    plan = plan_of(request, database.server, database.described("growing"))
    with connect(database.source) as connection:
        plan = measured(connection, plan)
        database.run(f"UPDATE {full} SET c = REPLICATE(N'ab', 100)")
        with pytest.raises(SourceBusy, match="'c' grew"):
            mssql.read_slice(connection, plan, "", tmp_path / "spool" / "part.parquet")
    assert list((tmp_path / "spool").iterdir()) == []


KEYS = {
    "int": lambda n: str(n * 7),
    "nvarchar(20)": lambda n: f"N'k{n * 7919 % 5000}'",
    "uniqueidentifier": lambda n: f"'{n * 7919 % 5000:08X}-0000-0000-0000-{n:012X}'",
    "datetime2(3)": lambda n: f"DATEADD(minute, {n}, CAST('2024-01-01' AS datetime2(3)))",
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_slices_hold_each_row_once(database: Live, kind: str):
    """Ranges of the clustered key cover the table without overlap, in the server's order."""
    name = f"sliced {kind}"
    full = database.table(name, f"k {kind} NOT NULL, n int, PRIMARY KEY (k, n)")
    values = ", ".join(f"({KEYS[kind](n)}, {n})" for n in range(900))
    database.run(f"INSERT INTO {full} (k, n) VALUES {values}")
    table = database.described(name)
    key = table.column("k")
    assert key is not None
    with connect(database.source) as connection:
        # A count of rows makes the sample the whole table, whatever the statistics say.
        bounds = boundaries(connection, replace(table, rows=1), key, 4)
        counts = [
            rows(connection, f"SELECT COUNT(*) FROM {full} WHERE {condition}")[0][0]
            for condition in ranges(key, bounds)
        ]
    assert len(counts) == 4
    assert sum(counts) == 900
    assert min(counts) > 100


def test_a_big_table_is_read_in_parallel_slices(database: Live, tmp_path):
    """More than one file, each row once, within the connections allowed."""
    full = database.table("big", "id int NOT NULL PRIMARY KEY, pad nvarchar(200)")
    for start in range(0, 6000, 1000):
        values = ", ".join(f"({n}, REPLICATE(N'x', 150))" for n in range(start, start + 1000))
        database.run(f"INSERT INTO {full} VALUES {values}")
    database.run("EXEC sp_updatestats")
    if not database.described("big").rows:
        pytest.skip(f"{database.server.description} counts no rows of a new table")
    found, arrived = database.read("big", tmp_path, slice_bytes=100_000, max_connections=4)
    assert sorted(row[0] for row in arrived) == list(range(6000))
    assert found.rows == 6000
    alone = database.server.read_committed_snapshot and not database.server.snapshot
    if alone or database.server.babelfish:
        assert len(found.files) == 1
    else:
        assert len(found.files) > 2
        assert len(found.queries) == len(found.files)
    single, arrived = database.read("big", tmp_path, slice_bytes=100_000, max_connections=1)
    assert (len(single.files), len(arrived)) == (1, 6000)


def test_slices_are_shared_by_the_readers(database: Live, tmp_path):
    """Two connections read four slices side by side, a file each, every row once."""
    full = database.table("shared", "id int NOT NULL PRIMARY KEY, pad nvarchar(max)")
    values = ", ".join(f"({n}, N'{n}')" for n in range(900))
    database.run(f"INSERT INTO {full} VALUES {values}")
    request = Request(database.source, TableName(database.schema, "shared"), tmp_path)
    plan = plan_of(request, database.server, database.described("shared"))
    key = plan.table.column("id")
    assert key is not None
    conditions = ranges(key, ("100", "400", "700"))
    files = [tmp_path / f"part-{number}.parquet" for number in range(4)]
    with connect(database.source) as one, connect(database.source) as other:
        assert mssql._read([one, other], plan, conditions, files) == [100, 300, 300, 200]
    assert sorted(rows_of(files)) == [(n, str(n)) for n in range(900)]


def test_a_view_of_the_table_stays_as_it_was(database: Live, tmp_path):
    """With snapshot isolation nothing that commits during the read is seen."""
    if not database.server.snapshot:
        pytest.skip("the database does not allow snapshot isolation")
    full = database.table("moving", "id int")
    database.run(f"INSERT INTO {full} VALUES (1)")
    request = Request(database.source, TableName(database.schema, "moving"), tmp_path)
    plan = plan_of(request, database.server, database.described("moving"))
    with ExitStack() as stack:
        control = stack.enter_context(mssql._connected(request))
        readers, how = mssql._readers(stack, control, plan)
        database.run(f"INSERT INTO {full} VALUES (2)")
        database.run(f"DELETE FROM {full} WHERE id = 1")
        assert how.startswith("snapshot isolation")
        assert rows(readers[0], f"SELECT id FROM {full}")[0][0] == 1
    assert database.read("moving", tmp_path)[1] == [(2,)]


def test_parallel_readers_see_one_moment(database: Live, tmp_path):
    """Readers that begin together agree on the rows, whatever is written meanwhile."""
    if not database.server.snapshot:
        pytest.skip("the database does not allow snapshot isolation")
    full = database.table("together", "id int")
    database.run(f"INSERT INTO {full} VALUES (1)")
    request = Request(database.source, TableName(database.schema, "together"), tmp_path)
    plan = plan_of(request, database.server, database.described("together"))
    with ExitStack() as stack:
        control = stack.enter_context(mssql._connected(request))
        readers = mssql._begin_together(stack, control, plan, 2)
        assert len(readers) == 2
        database.run(f"INSERT INTO {full} VALUES (2)")  # the lock is gone: this does not wait
        assert [len(rows(one, f"SELECT id FROM {full}")) for one in readers] == [1, 1]


# --- errors -------------------------------------------------------------------------


def test_a_missing_table_is_named(database: Live, tmp_path):
    """Neither table nor schema need exist; the message says what to grant."""
    with pytest.raises(TableNotFound, match="absent") as caught:
        database.read("absent", tmp_path)
    assert "GRANT SELECT" in (caught.value.hint or "")


def test_a_bad_condition_is_the_servers_error(database: Live, tmp_path):
    """The server's own words reach the user; nothing is left in the spool."""
    database.table("plain", "a int")
    with pytest.raises(SourceError, match="no_such_column"):
        database.read("plain", tmp_path, where="no_such_column = 1")
    assert not any(folder.iterdir() for folder in tmp_path.iterdir() if any(folder.iterdir()))


def test_a_table_that_may_not_be_read_fails_alone(database: Live, tmp_path):
    """Without permission one table is refused by name; the one beside it is read."""
    login, password = f"{database.schema}_login", "Herd;{1}duck"
    allowed, denied = database.table("allowed", "a int"), database.table("denied", "a int")
    try:
        database.run(f"CREATE LOGIN {login} WITH PASSWORD = '{password}'")
    except mssql_python.Error as error:
        pytest.skip(f"the login of the tests may not create logins: {error}")
    database.run(f"CREATE USER {login} FOR LOGIN {login}")
    database.run(f"GRANT SELECT ON {allowed} TO {login}")
    source = replace(database.source, user=login, password=password)
    try:
        guest = Live(source, database.connection, database.schema)
        assert guest.read("allowed", tmp_path)[1] == []
        with pytest.raises((TableNotFound, SourceDenied), match="denied"):
            guest.read("denied", tmp_path)
    finally:
        # Connections of the login wait in the pool; it cannot be dropped before they go.
        mssql_python.pooling(enabled=False)
        mssql_python.pooling()
        database.run(f"REVOKE SELECT ON {allowed} FROM {login}")
        database.run(f"DROP USER {login}")
        database.run(f"DROP LOGIN {login}")
    assert denied in database.made


def test_a_read_whose_session_is_ended_starts_over(database: Live, tmp_path):
    """A connection lost in the middle costs a second read: no row is missing, none is doubled."""
    full = database.table("cut off", "id int NOT NULL PRIMARY KEY, pad nvarchar(max)")
    tens = ", ".join(f"({n})" for n in range(80))
    database.run(
        f"INSERT INTO {full} SELECT a.n * 80 + b.n, REPLICATE(CAST(N'x' AS nvarchar(max)), 9000) "
        f"FROM (VALUES {tens}) a(n), (VALUES {tens}) b(n)"
    )
    ours = (
        "SELECT session_id FROM sys.dm_exec_sessions "
        f"WHERE host_process_id = {os.getpid()} AND session_id <> @@SPID"
    )
    database.run(ours)  # so that the server need not learn to read it when it is asked in haste
    (tmp_path / "spool").mkdir()
    request = Request(database.source, TableName(database.schema, "cut off"), tmp_path / "spool")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(mssql.DIALECT.extract, request)
        while not list(request.spool.iterdir()) and not reading.done():
            time.sleep(0.001)
        ended = now()
        for (session,) in database.run(ours):
            database.run(f"KILL {session}")
        found = reading.result()
    assert found.read_at > ended
    assert sorted(row[0] for row in rows_of(found.files)) == list(range(6400))


def test_idle_connections_are_closed_when_asked(database: Live):
    """None of the pool's is left, and the next read opens one anew."""
    ours = (
        "SELECT COUNT(*) FROM sys.dm_exec_sessions "
        f"WHERE host_process_id = {os.getpid()} AND session_id <> @@SPID"
    )
    for _ in range(2):
        mssql.DIALECT.check_source(database.source)
        assert database.run(ours)[0][0] > 0
        mssql.DIALECT.disconnect(database.source)
        wait_until(lambda: database.run(ours)[0][0] == 0, "no idle connection", 20)


def test_a_locked_table_is_not_waited_for_beyond_the_timeout(database: Live, tmp_path):
    """The lock timeout ends the wait, and a timeout is not tried again at once."""
    full = database.table("locked", "a int")
    with mssql_python.connect(connection_string(database.source), autocommit=True) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN TRANSACTION")
        cursor.execute(f"ALTER TABLE {full} ADD b int")
        try:
            with pytest.raises(SourceBusy) as caught:
                database.read("locked", tmp_path, lock_timeout=0.2)
        finally:
            cursor.execute("ROLLBACK TRANSACTION")
    assert "lock_timeout" in (caught.value.hint or "")


def test_a_statement_is_ended_by_its_timeout(database: Live, tmp_path):
    """A query that runs too long is cancelled at the server."""
    if database.server.babelfish:
        pytest.skip("Babelfish does not answer the driver's cancellation of a running query")
    full = database.table("slow", "a int")
    database.run(f"INSERT INTO {full} VALUES (1)")
    many = ", ".join(f"sys.objects {name}" for name in "abcde")
    endless = f"(SELECT COUNT_BIG(*) FROM {many}) > 0"
    with pytest.raises(SourceBusy):
        database.read("slow", tmp_path, where=endless, statement_timeout=1)


def test_the_password_is_nowhere(database: Live, tmp_path):
    """Neither the account of a read nor an error holds it."""
    database.table("secretless", "a int")
    found, _ = database.read("secretless", tmp_path)
    password = database.source.password or "none"
    assert password not in repr(found)
    assert password not in repr(database.source)
    assert rows_of(found.files) == []
    with pytest.raises(SourceError) as caught:
        database.read("secretless", tmp_path, where="nosuch = 1")
    assert password not in repr(caught.value.__dict__)
    assert Source.parse(f"mssql://u:{'s3cret'}@h/d").password == "s3cret"


def test_the_server_counts_the_rows_of_the_read(database: Live, tmp_path):
    """Under the same condition and window, and only when asked."""
    full = database.table("counted", "id int")
    database.run(f"INSERT INTO {full} VALUES (1), (2), (3), (4), (NULL)")
    assert database.read("counted", tmp_path)[0].source_rows is None
    assert database.read("counted", tmp_path, count_rows=True)[0].source_rows == 5
    found, arrived = database.read(
        "counted", tmp_path, count_rows=True, where="id < 4 -- and", window=Window("id", lower="1")
    )
    assert (found.source_rows, len(arrived)) == (2, 2)
