from __future__ import annotations

from collections.abc import Iterator

import pytest

from duckherd.catalog import mssql
from duckherd.catalog.model import TableName
from duckherd.catalog.mssql import quote, read_catalog
from duckherd.catalog.mssql_connection import rows
from mssql_live import Live, live


@pytest.fixture
def database(mssql_url: str) -> Iterator[Live]:
    """A schema of the test's own."""
    with live(mssql_url) as found:
        yield found


def test_any_name_can_be_quoted():
    """A bracket is left to double quotes; everything else goes into brackets."""
    assert quote("orders") == "[orders]"
    assert quote("""odd "na'me""") == """[odd "na'me]"""
    assert quote("""we]ird "na'me""") == '''"we]ird ""na'me"'''


def test_a_table_is_described_whole(database: Live):
    """Types, lengths, nullability, computed columns, keys and row counts are the server's own."""
    database.table(
        "orders",
        "id int NOT NULL IDENTITY, code nvarchar(20) NOT NULL, amount decimal(18,4), "
        "at datetime2(3), note varchar(max), raw varbinary(16), twice AS id * 2, "
        "flag bit NOT NULL, CONSTRAINT orders_pk PRIMARY KEY (id, code), "
        "CONSTRAINT orders_code UNIQUE (code)",
    )
    found = read_catalog(
        database.connection, database.server, [TableName(database.schema, "orders")]
    )
    assert len(found) == 1
    orders = found[0]
    assert orders.name == TableName(database.schema, "orders")
    assert orders.kind == "table"
    assert [(c.name, c.type, c.nullable) for c in orders.columns] == [
        ("id", "int", False),
        ("code", "nvarchar(20)", False),
        ("amount", "decimal(18,4)", True),
        ("at", "datetime2(3)", True),
        ("note", "varchar(max)", True),
        ("raw", "varbinary(16)", True),
        ("twice", "int", True),
        ("flag", "bit", False),
    ]
    by_name = {column.name: column for column in orders.columns}
    assert by_name["code"].length == 20
    assert by_name["note"].length is None
    assert (by_name["amount"].precision, by_name["amount"].scale) == (18, 4)
    assert by_name["twice"].generated
    assert not by_name["amount"].generated
    assert orders.primary_key == ("id", "code")
    assert orders.clustered == ("id", "code")
    assert ("code",) in [key.columns for key in orders.keys if not key.primary]


def test_views_and_odd_names_are_found_and_absent_tables_are_absent(database: Live):
    """A view has columns and no keys; a name may hold brackets, quotes and dots."""
    odd, column = """we]ird "na'me.x""", """co]l "x'."""
    full = database.table(odd, f"{quote(column)} int")
    view = f"[{database.schema}].[v]"
    database.run(f"CREATE VIEW {view} AS SELECT 1 AS one")
    try:
        wanted = [TableName(database.schema, name) for name in (odd, "v", "absent")]
        found = {
            table.name.name: table
            for table in read_catalog(database.connection, database.server, wanted)
        }
    finally:
        database.run(f"DROP VIEW {view}")
    assert full in database.made
    assert set(found) == {odd, "v"}
    assert [c.name for c in found[odd].columns] == [column]
    assert (found["v"].kind, found["v"].keys, found["v"].rows) == ("view", (), None)


def test_alias_types_are_shown_as_what_they_are(database: Live):
    """A column of a type alias has the type behind the alias, since that is what is read."""
    alias = f"[{database.schema}].[code]"
    database.needs(f"CREATE TYPE {alias} FROM nvarchar(12)")
    database.run(f"CREATE TYPE {alias} FROM nvarchar(12)")
    try:
        full = database.table("aliased", f"a {alias}, b sysname")
        found = read_catalog(
            database.connection, database.server, [TableName(database.schema, "aliased")]
        )
        database.run(f"DROP TABLE {full}")
    finally:
        database.run(f"DROP TYPE {alias}")
    assert [column.type for column in found[0].columns] == ["nvarchar(12)", "nvarchar(128)"]


def test_the_number_of_queries_does_not_grow_with_the_tables(
    database: Live, monkeypatch: pytest.MonkeyPatch
):
    """The catalog of one table and of many takes the same few queries."""
    sent: list[str] = []

    def counted(connection, sql, *parameters):
        sent.append(sql)
        return rows(connection, sql, *parameters)

    monkeypatch.setattr(mssql, "rows", counted)
    known = database.server

    def queries(count: int) -> int:
        sent.clear()
        names = [TableName(database.schema, f"t{n}") for n in range(count)]
        assert len(read_catalog(database.connection, known, names)) == count
        return len(sent)

    for number in range(6):
        database.table(f"t{number}", "a int")
    assert queries(1) == queries(6) <= 5


def test_no_table_is_asked_for_and_none_is_read(database: Live):
    """An empty selection reads nothing instead of everything."""
    assert read_catalog(database.connection, database.server, []) == ()
