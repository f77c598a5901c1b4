"""Every type of SQL Server, each value against what the server itself prints."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from duckherd.catalog.mssql import quote
from duckherd.errors import ValueNotCarried
from duckherd.extract.model import Request
from duckherd.extract.mssql_plan import plan_of
from duckherd.extract.mssql_reader import read_slice
from duckherd.extract.rules import ColumnRule
from mssql_live import Live, live, rows_of

if not os.environ.get("DUCKHERD_TEST_MSSQL_URL"):  # one line instead of one a test
    pytest.skip("set DUCKHERD_TEST_MSSQL_URL to run SQL Server's tests", allow_module_level=True)

TEXT = ColumnRule.model_validate({"as": "text"})
CUT = ColumnRule.model_validate({"as": "microseconds"})


@pytest.fixture(scope="module")
def database(mssql_url: str) -> Iterator[Live]:
    """A schema of this module's own."""
    with live(mssql_url) as found:
        yield found


def stamp(digits: int) -> Callable[[Any], str]:
    """Print a moment as CONVERT style 121 does with so many digits."""

    def printed(value: Any) -> str:
        fraction = f"{value.microsecond:06d}0"[:digits]
        text = value.strftime("%H:%M:%S") if isinstance(value, time) else str(value)[:19]
        return f"{text}.{fraction}" if digits else text

    return printed


def padded(digits: int) -> Callable[[str], str]:
    """The server's text without its zone, with so many digits: some servers drop zeros."""

    def normal(text: str) -> str:
        whole, _, fraction = text.split(" +", maxsplit=1)[0].partition(".")
        return f"{whole}.{fraction.ljust(digits, '0')}" if digits else whole

    return normal


def number(value: Any) -> str:
    """Print a decimal with every digit."""
    return format(value, "f")


@dataclass(frozen=True)
class Case:
    """A type, values as T-SQL, how the server prints `{c}`, how we print what arrived."""

    type: str
    values: tuple[str, ...]
    server: str
    ours: Callable[[Any], Any] = str
    arrow: str = ""
    compare: Callable[[Any], Any] = lambda value: value


FINE = "2024-01-02 03:04:05.1234567"
TEXTS = (
    "N''",
    "N' '",
    "N'a  '",
    "N'O''Hara \"x\"'",
    "N'tab' + CHAR(9) + N'nl' + CHAR(10) + CHAR(13)",
)
UNICODE = (*TEXTS, "N'zażółć'", "N'😀𝒳'", "N'日本語'", "NCHAR(65533)", "N'e' + NCHAR(769)")
PLAIN = "{c}"
CASES = [
    Case("bit", ("0", "1"), "CONVERT(varchar(1), {c})", lambda v: str(int(v)), "BOOLEAN"),
    Case("tinyint", ("0", "255"), "CONVERT(varchar(9), {c})", str, "UTINYINT"),
    Case("smallint", ("-32768", "32767"), "CONVERT(varchar(9), {c})", str, "SMALLINT"),
    Case("int", ("-2147483648", "2147483647"), "CONVERT(varchar(20), {c})", str, "INTEGER"),
    Case(
        "bigint",
        ("-9223372036854775808", "9223372036854775807"),
        "CONVERT(varchar(20), {c})",
        str,
        "BIGINT",
    ),
    Case(
        "decimal(38,0)",
        ("99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "0"),
        "CONVERT(varchar(50), {c})",
        number,
        "DECIMAL(38,0)",
    ),
    Case(
        "decimal(38,10)",
        ("1234567890123456789012345678.0123456789", "-0.0000000001"),
        "CONVERT(varchar(50), {c})",
        number,
        "DECIMAL(38,10)",
    ),
    Case("numeric(5,2)", ("-999.99", "0.01"), "CONVERT(varchar(50), {c})", number, "DECIMAL(5,2)"),
    Case(
        "money",
        ("922337203685477.5807", "-922337203685477.5808", "0.0001"),
        "CONVERT(varchar(40), CAST({c} AS decimal(19,4)))",
        number,
        "DECIMAL(19,4)",
    ),
    Case(
        "smallmoney",
        ("214748.3647", "-214748.3648"),
        "CONVERT(varchar(40), CAST({c} AS decimal(19,4)))",
        number,
        "DECIMAL(10,4)",
    ),
    Case(
        "float",
        ("1.7976931348623157E308", "2.2250738585072014E-308", "0.1", "-1E0", "0"),
        "CONVERT(varchar(40), {c}, 3)",
        float,
        "DOUBLE",
        float,
    ),
    Case(
        "real",
        ("3.4E38", "1.18E-38", "0.1"),
        "CONVERT(varchar(40), CAST({c} AS float), 3)",
        float,
        "FLOAT",
        float,
    ),
    Case(
        "date",
        ("'0001-01-01'", "'9999-12-31'", "'2024-02-29'", "'1582-10-10'"),
        "CONVERT(varchar(10), {c}, 23)",
        date.isoformat,
        "DATE",
    ),
    Case("time(0)", ("'00:00:00'", "'23:59:59'"), "CONVERT(varchar(8), {c}, 108)", stamp(0)),
    Case(
        "time(6)",
        ("'00:00:00.000001'", "'23:59:59.999999'"),
        "CONVERT(varchar(15), {c}, 121)",
        stamp(6),
        "TIME",
        padded(6),
    ),
    Case(
        "datetime",
        ("'1753-01-01T00:00:00'", "'9999-12-31T23:59:59.997'", "'2024-02-29T12:00:00.003'"),
        "CONVERT(varchar(23), {c}, 121)",
        stamp(3),
        "TIMESTAMP",
        padded(3),
    ),
    Case(
        "smalldatetime",
        ("'1900-01-01T00:00:00'", "'2079-06-06T23:59:00'"),
        "CONVERT(varchar(19), {c}, 120)",
        stamp(0),
        "TIMESTAMP",
    ),
    Case(
        "datetime2(0)",
        ("'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"),
        "CONVERT(varchar(19), {c}, 120)",
        stamp(0),
        "TIMESTAMP",
    ),
    Case(
        "datetime2(6)",
        ("'0001-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"),
        "CONVERT(varchar(26), {c}, 121)",
        stamp(6),
        "TIMESTAMP",
        padded(6),
    ),
    Case(
        "datetime2",
        (
            "'1969-12-31 23:59:59.999999'",
            "'2024-03-31 02:30:00'",
            f"'{FINE}'",
            "'1677-09-22'",
            "'2262-04-11 23:47:16.854775'",
        ),
        "CONVERT(varchar(27), {c}, 121)",
        lambda v: padded(7)(str(v)),
        compare=padded(7),
    ),
    Case(
        "datetimeoffset(6)",
        (
            "'2024-03-31 02:30:00.000001 +05:30'",
            "'1969-12-31 23:59:59.999999 -14:00'",
            "'9999-12-31 09:59:59.999999 -14:00'",
            "'2024-01-01 00:00:00 +00:00'",
        ),
        "CONVERT(varchar(26), SWITCHOFFSET({c}, '+00:00'), 121)",
        stamp(6),
        "TIMESTAMP WITH TIME ZONE",
        padded(6),
    ),
    Case("char(6)", TEXTS[:3], PLAIN, str, "VARCHAR"),
    Case("varchar(20)", TEXTS, PLAIN, str, "VARCHAR"),
    Case("nchar(12)", UNICODE, PLAIN, str, "VARCHAR"),
    Case("nvarchar(20)", UNICODE, PLAIN, str, "VARCHAR"),
    Case("varchar(20) COLLATE Polish_CI_AS", ("N'zażółć gęślą'",), PLAIN, str, "VARCHAR"),
    Case("varchar(20) COLLATE Greek_CI_AS", ("N'αβγ'",), PLAIN, str, "VARCHAR"),
    Case("varchar(20) COLLATE Japanese_CI_AS", ("N'日本語'",), PLAIN, str, "VARCHAR"),
    Case(
        "varchar(40) COLLATE Latin1_General_100_CI_AS_SC_UTF8", UNICODE, PLAIN, str, "VARCHAR"
    ),
    Case("varchar(max)", (*TEXTS, "REPLICATE(CAST('x' AS varchar(max)), 9001)"), PLAIN),
    Case("nvarchar(max)", (*UNICODE, "REPLICATE(CAST(N'zż😀' AS nvarchar(max)), 3001)"), PLAIN),
    Case("text", ("'long ago'", "''"), "CAST({c} AS varchar(max))"),
    Case("ntext", ("N'dawno zażółć'", "N''"), "CAST({c} AS nvarchar(max))"),
    Case("xml", ("N'<a b=\"1\">zażółć<c/></a>'", "N'<x/>'"), "CAST({c} AS nvarchar(max))"),
    Case("json", ("CAST(N'{\"a\": [1, null]}' AS json)",), "CAST({c} AS nvarchar(max))"),
    Case(
        "uniqueidentifier",
        (
            "'6F9619FF-8B86-D011-B42D-00C04FC964FF'",
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
        ),
        "CONVERT(char(36), {c})",
        lambda v: str(v).upper(),
        "UUID",
    ),
    Case("binary(4)", ("0x00FF10", "0x"), PLAIN, bytes, "BLOB"),
    Case("varbinary(20)", ("0x", "0x00", "0xDEADBEEF00"), PLAIN, bytes, "BLOB"),
    Case(
        "varbinary(max)",
        ("0x", "0x00", "CAST(REPLICATE(CAST('xyz' AS varchar(max)), 9001) AS varbinary(max))"),
        PLAIN,
        bytes,
        "BLOB",
    ),
    Case("image", ("0x00FF",), "CAST({c} AS varbinary(max))", bytes, "BLOB"),
    Case("rowversion", (), "CAST({c} AS binary(8))", bytes, "BLOB"),
    Case("sql_variant", ("CAST(-1.50 AS decimal(10,3))",), "CAST({c} AS nvarchar(100))"),
    Case("hierarchyid", ("'/1/3/'",), "{c}.ToString()"),
    Case("geometry", ("geometry::STGeomFromText('POINT (1 2)', 0)",), "{c}.STAsBinary()", bytes),
    Case("geography", ("geography::Point(47, -122, 4326)",), "{c}.STAsBinary()", bytes),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.type)
def test_every_type_arrives_as_the_server_prints_it(database: Live, case: Case, tmp_path):
    """Each value, and NULL, read back from the spool equals the server's own text."""
    name = f"t {CASES.index(case)} {case.type}"
    full = f"{quote(database.schema)}.{quote(name)}"
    nullable = "" if case.type == "rowversion" else " NULL"
    base = {"rowversion": "timestamp"}.get(case.type, case.type.partition("(")[0])
    if not database.run("SELECT name FROM sys.types WHERE name = ?", base):
        pytest.skip(f"{database.server.description} has no type {base}")
    database.needs(f"CREATE TABLE {full} (id int, c {case.type}{nullable})")
    database.table(name, f"id int, c {case.type}{nullable}")
    for number_, value in enumerate(case.values):
        database.run(f"INSERT INTO {full} (id, c) VALUES ({number_}, {value})")
    if not case.values:  # a value of the server's own
        database.run(f"INSERT INTO {full} (id) VALUES (0)")
    else:
        database.run(f"INSERT INTO {full} (id, c) VALUES (999, NULL)")

    found, arrived = database.read(name, tmp_path)

    expected = dict(database.run(f"SELECT id, {case.server.replace('{c}', 'c')} FROM {full}"))
    assert {key: None if value is None else case.ours(value) for key, value in arrived} == {
        key: None if value is None else case.compare(value) for key, value in expected.items()
    }
    assert len(arrived) == found.rows == max(len(case.values), 1) + bool(case.values)
    if case.arrow:
        assert found.columns[1].type == case.arrow


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("CAST(12 AS int)", "12"),
        ("CAST(-1.50 AS decimal(10,3))", "-1.500"),
        ("CAST(N'zażółć' AS nvarchar(10))", "zażółć"),
        ("CAST('2024-02-29' AS date)", "2024-02-29"),
        ("CAST('2024-02-29 01:02:03.997' AS datetime)", "2024-02-29 01:02:03.997"),
        ("CAST(1 AS bit)", "1"),
    ],
)
def test_a_variant_is_carried_as_the_text_of_what_it_holds(
    database: Live, tmp_path, value: str, text: str
):
    """A sql_variant has no type of its own, so it travels as text with every digit."""
    name = f"variant {value}"
    full = database.table(name, "c sql_variant")
    database.run(f"INSERT INTO {full} VALUES ({value})")
    assert database.read(name, tmp_path)[1] == [(text,)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("datetimeoffset(7)", f"{FINE} +01:00"), ("time(7)", "03:04:05.1234567")],
)
def test_digits_below_the_microsecond_are_not_lost_in_silence(
    database: Live, tmp_path, kind: str, value: str
):
    """The run fails naming column, value and way out; as text every digit arrives."""
    database.needs_hundred_nanoseconds()
    name = f"fine {kind}"
    full = database.table(name, f"id int, [the moment] {kind}")
    database.run(f"INSERT INTO {full} VALUES (1, NULL), (2, '{value}')")
    with pytest.raises(ValueNotCarried, match="the moment") as caught:
        database.read(name, tmp_path)
    assert value in str(caught.value)
    assert "as: text" in str(caught.value)
    _, arrived = database.read(name, tmp_path, columns={"the moment": TEXT})
    assert arrived == [(1, None), (2, value)]


@pytest.mark.parametrize(
    ("kind", "value", "arrives"),
    [
        ("datetime2(7)", FINE, datetime(2024, 1, 2, 3, 4, 5, 123456)),
        (
            "datetimeoffset(7)",
            f"{FINE} +01:00",
            datetime(2024, 1, 2, 2, 4, 5, 123456, tzinfo=UTC),
        ),
        ("time(7)", "03:04:05.1234567", time(3, 4, 5, 123456)),
    ],
)
def test_fine_times_are_cut_where_the_user_says_so(
    database: Live, tmp_path, kind: str, value: str, arrives: object
):
    """`as: microseconds` keeps the time's type and drops what no reader of it could hold."""
    database.needs_hundred_nanoseconds()
    name = f"cut {kind}"
    full = database.table(name, f"id int, c {kind}")
    database.run(f"INSERT INTO {full} VALUES (1, NULL), (2, '{value}')")
    assert database.read(name, tmp_path, columns={"c": CUT})[1] == [(1, None), (2, arrives)]


def test_a_moment_beyond_nanoseconds_is_named(database: Live, tmp_path):
    """The first and the last day of a datetime2(7) need the type with fewer digits."""
    database.needs_hundred_nanoseconds()
    full = database.table("far", "id int, c datetime2(7)")
    values = {1: datetime(1, 1, 1), 2: datetime(9999, 12, 31, 23, 59, 59, 999999)}
    for number_, value in values.items():
        database.run(f"INSERT INTO {full} VALUES ({number_}, '{value.isoformat()}')")
        with pytest.raises(ValueNotCarried, match=str(value.date())) as caught:
            database.read("far", tmp_path, where=f"id = {number_}")
        assert "as: microseconds" in (caught.value.hint or "")
    found, arrived = database.read("far", tmp_path, columns={"c": CUT})
    assert dict(arrived) == values
    assert found.columns[1].type == "TIMESTAMP"


def test_nanoseconds_are_counted_as_the_server_prints_them(database: Live, tmp_path):
    """The query of a datetime2(7), also on servers that declare it with fewer digits."""
    full = database.table("counted", "id int, c datetime2(7)")
    values = ["1677-09-22", "1969-12-31 23:59:59.9999990", FINE, "2262-04-11 23:47:16.8547750"]
    for number_, value in enumerate(values):
        database.run(f"INSERT INTO {full} VALUES ({number_}, '{value}')")
    database.run(f"INSERT INTO {full} VALUES (98, NULL), (99, '0001-01-01')")
    table = database.described("counted")
    key, moment = table.columns
    table = replace(table, columns=(key, replace(moment, type="datetime2(7)", scale=7)))
    request = Request(database.source, table.name, tmp_path, where="id < 99")
    plan = plan_of(request, database.server, table)
    path = tmp_path / "part.parquet"
    assert read_slice(database.connection, plan, "", path) == 5
    expected = database.run(f"SELECT id, CONVERT(varchar(27), c, 121) FROM {full} WHERE id < 99")
    full_digits = padded(7)
    assert {key: value and full_digits(value) for key, value in rows_of([path])} == {
        key: value and full_digits(value) for key, value in expected
    }
    with pytest.raises(ValueNotCarried, match="'0001-01-01"):
        read_slice(database.connection, replace(plan, conditions=()), "", tmp_path / "far.parquet")


def test_half_a_surrogate_pair_is_not_replaced_in_silence(database: Live, tmp_path):
    """Text that is no valid Unicode fails the run; a true U+FFFD beside it does not."""
    name = "surrogates"
    full = database.table(name, "c nvarchar(10)")
    database.run(f"INSERT INTO {full} VALUES (N'ok ' + NCHAR(65533))")
    assert database.read(name, tmp_path)[1] == [("ok \ufffd",)]
    database.needs(f"INSERT INTO {full} VALUES (NCHAR(55357))")
    database.run(f"INSERT INTO {full} VALUES (NCHAR(55357))")
    with pytest.raises(ValueNotCarried, match="'c'"):
        database.read(name, tmp_path)


def test_a_zero_character_in_text_arrives(database: Live, tmp_path):
    """Text does not end at a zero character."""
    name = "zero"
    full = database.table(name, "c nvarchar(10)")
    if database.run("SELECT LEN(N'a' + NCHAR(0) + N'b')") != [(3,)]:
        pytest.skip(f"{database.server.description} has no zero character")
    database.run(f"INSERT INTO {full} VALUES (N'a' + NCHAR(0) + N'b')")
    assert database.read(name, tmp_path)[1] == [("a\0b",)]


AS_TEXT = [
    ("int", "42", "42"),
    ("decimal(38,10)", "0.1", "0.1000000000"),
    ("money", "1.5", "1.5000"),
    ("bit", "1", "1"),
    ("datetime2(3)", "'2024-02-29 01:02:03.004'", "2024-02-29 01:02:03.004"),
    ("datetimeoffset(0)", "'2024-02-29 01:02:03 +05:30'", "2024-02-29 01:02:03 +05:30"),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("uniqueidentifier", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'",
     "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
    ("nvarchar(max)", "N'zażółć'", "zażółć"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "text"), AS_TEXT, ids=lambda value: str(value)[:20])
def test_as_text_is_what_the_server_prints(
    database: Live, tmp_path, kind: str, value: str, text: str
):
    """`as: text` keeps the offset of a datetimeoffset and every digit of a number."""
    name = f"text {kind}"
    full = database.table(name, f"c {kind}")
    database.run(f"INSERT INTO {full} VALUES ({value}), (NULL)")
    found, arrived = database.read(name, tmp_path, columns={"c": TEXT})
    assert arrived == [(text,), (None,)]
    assert found.columns[0].type == "VARCHAR"


def test_bytes_as_text_are_hexadecimal(database: Live, tmp_path):
    """`0x` and upper-case digits, as the server prints bytes; refused where it cannot."""
    full = database.table("bytes", "c varbinary(10)")
    database.run(f"INSERT INTO {full} VALUES (0x00FF)")
    if database.server.babelfish:
        with pytest.raises(Exception, match="cannot print column 'c'"):
            database.read("bytes", tmp_path, columns={"c": TEXT})
    else:
        assert database.read("bytes", tmp_path, columns={"c": TEXT})[1] == [("0x00FF",)]


def test_a_floats_text_has_every_digit(database: Live, tmp_path):
    """The text of a float reads back as the same float."""
    full = database.table("floats", "c float")
    database.run(f"INSERT INTO {full} VALUES (0.1), (1e300), (-2.5)")
    _, arrived = database.read("floats", tmp_path, columns={"c": TEXT})
    assert [float(text) for (text,) in arrived] == [0.1, 1e300, -2.5]


def test_computed_columns_are_read_and_hidden_ones_only_on_request(database: Live, tmp_path):
    """A computed column is a column; a hidden one is left out as `select *` leaves it out."""
    full = database.table("computed", "a int, b AS a * 2, c AS a + 1 PERSISTED")
    database.run(f"INSERT INTO {full} (a) VALUES (21)")
    assert database.read("computed", tmp_path)[1] == [(21, 42, 22)]
    history = (
        "id int PRIMARY KEY, f datetime2(0) GENERATED ALWAYS AS ROW START HIDDEN NOT NULL, "
        "t datetime2(0) GENERATED ALWAYS AS ROW END HIDDEN NOT NULL, "
        "PERIOD FOR SYSTEM_TIME (f, t)"
    )
    database.needs(f"CREATE TABLE {quote(database.schema)}.[temporal] ({history})")
    full = database.table("temporal", history)
    database.run(f"INSERT INTO {full} (id) VALUES (1)")
    assert [c.name for c in database.read("temporal", tmp_path)[0].columns] == ["id"]
    every = {"id": ColumnRule(include=True), "t": ColumnRule(include=True)}
    _, arrived = database.read("temporal", tmp_path, columns=every)
    assert arrived == [(1, datetime(9999, 12, 31, 23, 59, 59))]


def test_hundreds_of_columns_arrive(database: Live, tmp_path):
    """A table may have as many columns as the server allows."""
    names = [f"c{n}" for n in range(1000)]
    full = database.table("wide", ", ".join(f"[{name}] int" for name in names))
    database.run(f"INSERT INTO {full} VALUES ({', '.join(str(n) for n in range(1000))})")
    found, arrived = database.read("wide", tmp_path)
    assert [column.name for column in found.columns] == names
    assert arrived == [tuple(range(1000))]


def test_wide_declared_columns_do_not_need_wide_buffers(database: Live, tmp_path):
    """Declared widths beyond the memory limit make the driver fetch row by row instead."""
    names = [f"c{n}" for n in range(200)]
    full = database.table("declared", ", ".join(f"[{name}] nvarchar(4000)" for name in names))
    database.run(f"INSERT INTO {full} ([c0], [c199]) VALUES (N'first', N'last'), (N'a', NULL)")
    found, arrived = database.read("declared", tmp_path, memory_limit=64 * 1024 * 1024)
    assert [(row[0], row[199]) for row in arrived] == [("first", "last"), ("a", None)]
    assert "duckherd_single" in found.queries[0]
    assert len(found.columns) == 200
