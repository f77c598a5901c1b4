"""Oracle's catalog: the SQL that is sent and what is made of the answers; no server is at hand."""

from __future__ import annotations

import pytest

from duckherd.catalog.model import Key, TableName
from duckherd.catalog.oracle import classify, connect, quote, read_catalog, statements, tables_of
from duckherd.catalog.source import Source
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)

ORDERS = TableName("ERP", "ORDERS")


def column(name: str, kind: str, **fields: object) -> list[object]:
    """A row of all_tab_cols after owner and table."""
    row = {"chars": 0, "size": 22, "used": None, "precision": None, "scale": None,
           "nullable": "Y", "virtual": "NO", "hidden": "NO", **fields}  # fmt: skip
    return ["ERP", "ORDERS", name, kind, *row.values()]


def test_rows_of_the_views_become_tables():
    """Types with their lengths, nullability, keys, comments and estimates."""
    found = tables_of(
        objects=[("ERP", "ORDERS", "table", 120, 9600), ("ERP", "ALL_OPEN", "view", None, None)],
        columns=[
            column("ID", "NUMBER", precision=10, scale=0, nullable="N"),
            column("AMOUNT", "NUMBER"),
            column("WHOLE", "NUMBER", scale=0),
            column("NAME", "VARCHAR2", chars=20, size=80, used="C"),
            column("NOTE", "NVARCHAR2", chars=30, size=60, used="C"),
            column("RAW8", "RAW", size=8),
            column("AT", "TIMESTAMP(6) WITH TIME ZONE"),
            column("RATIO", "FLOAT", precision=126),
            column("TOTAL", "NUMBER", virtual="YES", hidden="YES"),
        ],
        keys=[
            ("ERP", "ORDERS", "PK", "P", "ID"),
            ("ERP", "ORDERS", "UQ", "U", "NAME"),
            ("ERP", "ORDERS", "UQ", "U", "NOTE"),
        ],
        comments=[("ERP", "ORDERS", "NAME", "who ordered")],
    )
    assert [table.name.name for table in found] == ["ALL_OPEN", "ORDERS"]
    view, orders = found
    assert (view.kind, view.rows, view.bytes) == ("view", None, None)
    assert (orders.rows, orders.bytes, orders.primary_key) == (120, 9600, ("ID",))
    assert orders.keys == (Key("PK", ("ID",), True), Key("UQ", ("NAME", "NOTE"), False))
    assert [c.type for c in orders.columns] == [
        "NUMBER(10,0)", "NUMBER", "NUMBER(*,0)", "VARCHAR2(20 CHAR)", "NVARCHAR2(30)", "RAW(8)",
        "TIMESTAMP(6) WITH TIME ZONE", "FLOAT(126)", "NUMBER",
    ]  # fmt: skip
    assert orders.columns[0].nullable is False
    assert orders.columns[3].comment == "who ordered"
    assert (orders.columns[8].generated, orders.columns[8].hidden) == (True, True)


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_the_number_of_queries_does_not_grow_with_the_tables(count: int):
    """Four queries; names are bound, never written into the text."""
    names = [TableName("ERP", f"O'T{n}") for n in range(count)]
    found = statements(names or None)
    assert len(found) == 4
    assert not any("O'T" in statement.sql for statement in found)
    expected = 2 * count if count <= 100 else 0
    assert [len(statement.parameters) for statement in found[1:]] == [expected] * 3
    assert len(found[0].parameters) == 2 * expected
    for statement in found:
        assert f":{len(statement.parameters)}" in statement.sql or not statement.parameters
        assert "{" not in statement.sql


def test_nothing_is_asked_for_and_nothing_is_read():
    """An empty selection needs no connection."""
    assert read_catalog(None, []) == ()


def test_names_are_quoted():
    """Any name but one with a double quote, which Oracle does not allow."""
    assert quote("we]ird na'me") == '"we]ird na\'me"'
    with pytest.raises(SourceError, match="double quote"):
        quote('a"b')


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (1017, "ORA-01017", SourceDenied),
        (1031, "ORA-01031", SourceDenied),
        (942, "ORA-00942", TableNotFound),
        (60, "ORA-00060", SourceBusy),
        (1555, "ORA-01555", SourceBusy),
        (3113, "ORA-03113", SourceUnreachable),
        (0, "DPY-6005: cannot connect", SourceUnreachable),
        (0, "DPY-1001: not connected to database", SourceUnreachable),
        (0, "DPY-4011: the database or network closed the connection", SourceUnreachable),
        (0, "DPY-4024: call timeout of 1000 ms exceeded", SourceBusy),
        (1476, "ORA-01476: divisor is equal to zero", SourceError),
    ],
)
def test_errors_are_told_apart_by_number(code: int, message: str, kind: type[SourceError]):
    """By ORA number, or by the driver's DPY number where no server answered."""
    found = classify(code, message)
    assert type(found) is kind


def test_nobody_listens():
    """A closed port is unreachable; the message shows no password."""
    source = Source.parse("oracle://scott:tiger%21@127.0.0.1:1/xepdb1")
    with pytest.raises(SourceUnreachable, match="scott") as caught, connect(source):
        pass
    assert "tiger!" not in str(caught.value)


def test_an_unknown_option_is_not_ignored():
    """A misspelled option of the URL is an error that lists the known ones."""
    source = Source.parse("oracle://scott:tiger@127.0.0.1:1/xepdb1?walet=x")
    with pytest.raises(SourceError, match="wallet_location"), connect(source):
        pass
