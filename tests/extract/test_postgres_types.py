"""A hostile PostgreSQL: every type and edge, compared with the text PostgreSQL prints."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from duckherd.catalog.model import TableName
from duckherd.errors import SourceError, ValueNotCarried
from extract_results import rows, types

TABLE = '"we]ird ""na\'me"'
NAME = TableName("public", "we]ird \"na'me")
SETUP = """
create extension if not exists hstore;
create extension if not exists citext;
create extension if not exists ltree;
create extension if not exists vector;
create type mood as enum ('sad', 'so-so', 'we]ird "na''me');
create type point3 as (x int, y text, z numeric);
create domain positive as numeric(10, 3) check (value > 0);
create domain twice as positive;
create domain name_list as text[];
"""

# type -> literals; DuckDB type of the spool.
HOSTILE: dict[str, tuple[list[str], str]] = {
    "boolean": (["true", "false"], "BOOLEAN"),
    "smallint": (["-32768", "32767"], "SMALLINT"),
    "integer": (["-2147483648", "2147483647", "0"], "INTEGER"),
    "bigint": (["-9223372036854775808", "9223372036854775807"], "BIGINT"),
    "oid": (["0", "4294967295"], "BIGINT"),
    "real": (
        ["NaN", "Infinity", "-Infinity", "1.1754944e-38", "3.4028235e38", "-0", "0.1"],
        "FLOAT",
    ),
    "double precision": (
        ["NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "-0", "0.1"],
        "DOUBLE",
    ),
    "numeric(4,0)": (["9999", "-9999", "0", "-1"], "DECIMAL(4,0)"),
    "numeric(4,4)": (["0.9999", "-0.0001", "0"], "DECIMAL(4,4)"),
    "numeric(9,5)": (["9999.99999", "-0.00001", "1000", "10000.00000"][:3], "DECIMAL(9,5)"),
    "numeric(18,9)": (["999999999.999999999", "-0.000000001", "10000.0001"], "DECIMAL(18,9)"),
    "numeric(18,17)": (["9.99999999999999999", "-0.00000000000000001", "1"], "DECIMAL(18,17)"),
    "numeric(38,10)": (
        ["9999999999999999999999999999.9999999999", "-0.0000000001", "100000000000000000000"],
        "DECIMAL(38,10)",
    ),
    "numeric(38,37)": (["9.9999999999999999999999999999999999999", "-1"], "DECIMAL(38,37)"),
    "numeric(38,0)": (["99999999999999999999999999999999999999", "-1"], "DECIMAL(38,0)"),
    "numeric(50,10)": (["1234567890123456789012345678.0123456789", "-1.5"], "DECIMAL(38,10)"),
    "numeric(5,-2)": (["1234500", "-100"], "DECIMAL(7,0)"),
    "numeric(3,5)": (["0.00999", "-0.00001"], "DECIMAL(5,5)"),
    "numeric(100,50)": (["1e49", "1e-50", "NaN"], "VARCHAR"),
    "numeric": (
        ["0.1", "-99999999999999999999.123456789012345678", "1e19", "1.50"],
        "DECIMAL(38,18)",
    ),
    "money": (["-92233720368547758.08", "92233720368547758.07", "0.01"], "DECIMAL(21,2)"),
    "text": (["", " ", "żółć 🦆 \U0010ffff", "a'b\"c\\d\ne", "NULL", "\x01"], "VARCHAR"),
    "varchar(5)": (["", "12345", "🦆🦆🦆🦆🦆", "a  "], "VARCHAR"),
    "char(5)": (["", "ab", "🦆", "a   b"], "VARCHAR"),
    '"char"': (["a", ""], "VARCHAR"),
    "name": (["we]ird"], "VARCHAR"),
    "citext": (["CaSe"], "VARCHAR"),
    "bytea": (["", r"\x00ff41", r"\x" + "00" * 300], "BLOB"),
    "bit(5)": (["10101"], "VARCHAR"),
    "bit varying": (["", "1", "0" * 70], "VARCHAR"),
    "date": (
        ["0044-03-15 BC", "4713-01-01 BC", "9999-12-31", "5874897-12-31", "1582-10-10"],
        "DATE",
    ),
    "time": (["00:00:00", "23:59:59.999999"], "TIME"),
    "timetz": (["04:05:06.789-08", "24:00:00+14:59"], "VARCHAR"),
    "timestamp": (
        [
            "4713-01-01 00:00:00 BC",
            "0001-01-01 00:00:00",
            "294246-12-31 23:59:59.999999",
            "1969-12-31 23:59:59.999999",
        ],
        "TIMESTAMP",
    ),
    "timestamptz": (
        [
            "2024-03-31 02:30:00+01",
            "2024-06-01 00:00:00 Europe/Warsaw",
            "0044-03-15 12:00 BC",
            "1883-11-18 12:03:58-04:56:02",
        ],
        "TIMESTAMP WITH TIME ZONE",
    ),
    "time(3)": (["04:05:06.789", "00:00:00"], "TIME"),
    "timestamp(0)": (["2024-02-29 23:59:59"], "TIMESTAMP"),
    "interval": (
        ["1 mon -1 day +00:00:00.000001", "178000000 years", "-1 day", "-838:59:59.5"],
        "VARCHAR",
    ),
    "uuid": (
        [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ],
        "UUID",
    ),
    "json": (['{"b": 1, "b":  2, "a": 1e400}', "null", '"🦆"'], "VARCHAR"),
    "jsonb": (['{"b": 1, "a": 12345678901234567890.10}', "[]", "null"], "VARCHAR"),
    "inet": (["1.2.3.4", "10.0.0.0/8", "::1"], "VARCHAR"),
    "cidr": (["10.0.0.0/8"], "VARCHAR"),
    "macaddr": (["08:00:2b:01:02:03"], "VARCHAR"),
    "macaddr8": (["08:00:2b:01:02:03:04:05"], "VARCHAR"),
    "hstore": (['"a"=>NULL, "b"=>"x, y"'], "VARCHAR"),
    "mood": (["sad", "we]ird \"na'me"], "VARCHAR"),
    "point3": (['(1,"a, b",1.50)'], "VARCHAR"),
    "positive": (["0.001", "9999999.999"], "DECIMAL(10,3)"),
    "twice": (["1.500"], "DECIMAL(10,3)"),
    "name_list": (["{a,NULL}"], "VARCHAR[]"),
    "int4range": (["[1,5)", "empty", "(,)"], "VARCHAR"),
    "tstzrange": (["[2024-01-01 00:00+00,infinity)"], "VARCHAR"),
    "int4multirange": (["{[1,3),[5,7)}"], "VARCHAR"),
    "integer[]": (["{}", "{1,NULL,-3}"], "INTEGER[]"),
    "text[]": (['{"",NULL,"NULL","a,b","{"}'], "VARCHAR[]"),
    "uuid[]": (["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"], "UUID[]"),
    "timestamptz[]": (["{2024-01-01 00:00+00,NULL}"], "TIMESTAMP WITH TIME ZONE[]"),
    "boolean[]": (["{t,NULL,f}", "{}"], "BOOLEAN[]"),
    "bigint[]": (["{-9223372036854775808,9223372036854775807}"], "BIGINT[]"),
    "double precision[]": (["{NaN,-Infinity,0.1,-0}"], "DOUBLE[]"),
    "varchar(3)[]": (["{🦆🦆🦆,a}"], "VARCHAR[]"),
    "bytea[]": ([r'{"\\x00ff",NULL}'], "VARCHAR"),
    "timestamp[]": (['{"1969-12-31 23:59:59.999999",NULL}'], "TIMESTAMP[]"),
    "date[]": (["{infinity,0044-03-15 BC}"], "VARCHAR"),
    "jsonb[]": ([r'{"{\"a\": 1}",NULL}'], "VARCHAR"),
    "positive[]": (["{1.500}"], "VARCHAR"),
    # Look like arrays to the catalog, but start at 0.
    "int2vector": (["1 2 3"], "VARCHAR"),
    "oidvector": (["1 4294967295"], "VARCHAR"),
    "numeric(6,2)[]": (["{1.50,NaN}"], "VARCHAR"),
    "mood[]": (["{sad,NULL}"], "VARCHAR"),
    "point": (["(0.1,-1e300)"], "VARCHAR"),
    "line": (["{1,2,3}"], "VARCHAR"),
    "lseg": (["[(0,0),(1,1)]"], "VARCHAR"),
    "box": (["(1,1),(0,0)"], "VARCHAR"),
    "path": (["((0,0),(1,1))", "[(0,0),(1,1)]"], "VARCHAR"),
    "polygon": (["((0,0),(1,1),(1,0))"], "VARCHAR"),
    "circle": (["<(0,0),1>"], "VARCHAR"),
    "tsvector": (["'a':1A 'b':2"], "VARCHAR"),
    "tsquery": (["'a' & !'b'"], "VARCHAR"),
    "pg_lsn": (["16/B374D848"], "VARCHAR"),
    "xid8": (["18446744073709551615"], "VARCHAR"),
    "txid_snapshot": (["10:20:10,14,15"], "VARCHAR"),
    "tid": (["(0,1)"], "VARCHAR"),
    "regclass": (["pg_class"], "VARCHAR"),
    "vector(3)": (["[1,-0.5,3e-10]"], "VARCHAR"),
    "ltree": (["Top.Science"], "VARCHAR"),
    "aclitem": (["postgres=r/postgres"], "VARCHAR"),
    "jsonpath": (['$."a"[*]'], "VARCHAR"),
}


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the database of this test, with the types of SETUP."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(SETUP)
        yield connection


def make_hostile(db: psycopg.Connection[Any]) -> int:
    """One column a type, named by it, one row a value; the last row is all NULL."""
    columns = ", ".join(f"{quoted(kind)} {kind}" for kind in HOSTILE)
    db.execute(f'create table {TABLE} ("№" int primary key, {columns})'.encode())
    most = max(len(values) for values, _ in HOSTILE.values())
    for number in range(most + 1):
        values = [v[number] if number < len(v) else None for v, _ in HOSTILE.values()]
        marks = ", ".join(["%s"] * (len(values) + 1))
        db.execute(f"insert into {TABLE} values ({marks})".encode(), [number, *values])
    return most + 1


def quoted(name: str) -> str:
    """The name quoted for both databases."""
    return '"' + name.replace('"', '""') + '"'


def test_every_value_reads_back_as_postgres_prints_it(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """A value of the spool, given back to PostgreSQL, prints as the original does."""
    count = make_hostile(db)
    extract = read(postgres_url, NAME)
    assert extract.rows == count
    assert {name: kind for name, kind in types(extract).items() if name != "№"} == {
        kind: wanted for kind, (_, wanted) in HOSTILE.items()
    }
    for kind, (_, wanted) in HOSTILE.items():
        name = quoted(kind)
        # 1.50 and 1.5 are one number; which of them was typed is not kept.
        printed = f"trim_scale({name})" if kind == "numeric" else name
        original = db.execute(
            f'select case when {name} is not null then concat({printed}) end from {TABLE} order by "№"'.encode()  # noqa: E501
        ).fetchall()
        carried = rows(
            extract, f'SELECT {AS_TEXT.get(wanted, "{}").format(name)} FROM spool ORDER BY "№"'
        )
        back = [printed_again(db, kind, value) for (value,) in carried]
        assert back == [text for (text,) in original], kind


# How a value of the spool is written for PostgreSQL to read.
AS_TEXT = {
    "VARCHAR": "{}",
    "BLOB": r"'\x' || hex({})",
    **dict.fromkeys(
        ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "FLOAT", "DOUBLE"),
        "replace(CAST({} AS VARCHAR), ' (BC)', ' BC')",
    ),
}


def printed_again(db: psycopg.Connection[Any], kind: str, value: Any) -> str | None:
    """What PostgreSQL prints for a value of the spool read back as the column's type."""
    if value is None or HOSTILE[kind][1] == "VARCHAR":
        return None if value is None else str(value)
    row = db.execute(
        f"select concat({'trim_scale' if kind == 'numeric' else ''}((%s)::{kind}))".encode(),
        [value],
    ).fetchone()
    assert row is not None
    return str(row[0])


REFUSED = {
    "numeric(6,2)": ["NaN"],
    "numeric(40,2)": ["1e37"],
    "numeric": [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e38",
        "1e-39",
        "10000000000000000000.0000000000000000001",
    ],
    "date": ["infinity", "-infinity"],
    "timestamp": ["infinity", "-infinity", "294276-12-31"],
    "timestamptz": ["infinity", "-infinity"],
    "time": ["24:00:00"],
    "integer[]": ["{{1,2},{3,4}}", "[0:1]={1,2}"],
    "timestamp[]": ["{infinity}"],
}


def test_a_value_that_cannot_be_carried_fails_naming_it_and_the_way_out(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Table, column, example and `as: text` are in the error, and `as: text` carries the value."""
    for kind, values in REFUSED.items():
        for value in values:
            db.execute("drop table if exists t")
            db.execute(f"create table t (id int, v {kind})".encode())
            db.execute("insert into t values (1, null), (2, %s)", [value], prepare=False)
            row = db.execute("select concat(v) from t where id = 2").fetchone()
            assert row is not None
            with pytest.raises(ValueNotCarried) as caught:
                read(postgres_url, "public.t")
            assert "public.t: column 'v'" in caught.value.message
            assert repr(row[0]) in caught.value.message
            assert caught.value.hint == "carry it as text: columns: {v: {as: text}}"
            texts = read(postgres_url, "public.t", columns={"v": {"as": "text"}})
            assert rows(texts, "SELECT v FROM spool WHERE id = 2") == [(row[0],)]


def numbers(read: Any, url: str, values: str, **wanted: Any) -> tuple[str, list[Any]]:
    """Type and values of the column `v` of a table with these values, as the lake has them."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("drop table if exists t")
        db.execute(f"create table t as select * from (values {values}) as t (v)".encode())
    extract = read(url, "public.t", **wanted)
    return types(extract)["v"], [row[0] for row in rows(extract)]


def test_a_numeric_without_precision_is_as_wide_as_its_values_need(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """Quotients, averages, money and huge integers arrive exact, each as a DECIMAL that fits."""
    kind, found = numbers(read, postgres_url, "(1::numeric / 3), (19.99), (null)")
    assert kind == "DECIMAL(38,28)"
    assert found == [Decimal("0." + "3" * 20 + "0" * 8), Decimal("19.99"), None]
    kind, found = numbers(read, postgres_url, "(1e-7 / 3), (0.5)")
    original = db.execute("select v from t order by v").fetchall()
    assert sorted(found) == [value for (value,) in original]
    assert kind == "DECIMAL(38,30)"
    kind, found = numbers(read, postgres_url, "(12345678901234567890123456789::numeric), (0.25)")
    assert (kind, found[0]) == ("DECIMAL(38,5)", Decimal(12345678901234567890123456789))
    kind, found = numbers(read, postgres_url, "(99999999999999999999999999999999999999::numeric)")
    assert (kind, found) == ("DECIMAL(38,0)", [Decimal("9" * 38)])
    kind, found = numbers(read, postgres_url, "(1.50), (-2::numeric)")
    assert (kind, found) == ("DECIMAL(38,18)", [Decimal("1.5"), Decimal(-2)])
    kind, _ = numbers(read, postgres_url, "(1e25), ('NaN'::numeric)", where="v <> 'NaN'")
    assert kind == "DECIMAL(38,6)"


def test_a_numeric_without_precision_keeps_the_type_it_was_published_with(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """A later run reads it as the lake has it; it widens only where the whole table is read."""
    published = {"v": "DECIMAL(38,28)"}
    assert numbers(read, postgres_url, "(1.5)", published=published)[0] == "DECIMAL(38,28)"
    assert numbers(read, postgres_url, "(1e10)", published=published)[0] == "DECIMAL(38,18)"
    with pytest.raises(ValueNotCarried, match="published rows keep") as caught:
        numbers(read, postgres_url, "(1e10)", published=published, continues=True)
    assert "mode: replace" in str(caught.value.hint)
    assert "{v: {as: text}}" in str(caught.value.hint)
    # Published as text once: the user chose so, and took it back.
    assert numbers(read, postgres_url, "(1.5)", published={"v": "VARCHAR"})[0] == "DECIMAL(38,18)"


def test_text_of_other_encodings_arrives_as_utf8(
    db: psycopg.Connection[Any], postgres_url: str, read: Any
) -> None:
    """A LATIN1 database is converted; bytes of SQL_ASCII that are not UTF-8 fail."""
    for encoding in ("LATIN1", "SQL_ASCII"):
        db.execute(
            f"create database enc_{encoding} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' "
            "template template0".encode()
        )
        url = postgres_url.rpartition("/")[0] + f"/enc_{encoding.lower()}"
        try:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("create table t (v text)")
                byte = "E9" if encoding == "LATIN1" else "C3A9"
                other.execute(
                    f"insert into t values (convert_from('\\x{byte}', '{encoding}'))".encode()
                )
            assert rows(read(url, "public.t")) == [("é",)]
            if encoding == "SQL_ASCII":
                with psycopg.connect(url, autocommit=True) as other:
                    other.execute("insert into t values (convert_from('\\xff', 'SQL_ASCII'))")
                with pytest.raises(SourceError, match="invalid byte sequence"):
                    read(url, "public.t")
        finally:
            db.execute(f"drop database enc_{encoding} with (force)".encode())
