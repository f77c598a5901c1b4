"""Reading Oracle: the SQL that is sent and what is made of the batches; no server is at hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from duckherd.catalog.model import Column, Table, TableName
from duckherd.catalog.source import Source
from duckherd.errors import ParameterError, ValueNotCarried
from duckherd.extract import oracle
from duckherd.extract.arrow_spool import spool_batch
from duckherd.extract.model import Request, Window
from duckherd.extract.oracle_types import (
    OracleExpressions,
    decimal_shape,
    guard,
    literal,
    printed,
)
from duckherd.extract.rules import ColumnRule


def number(precision: int | None = None, scale: int | None = None) -> Column:
    """A NUMBER column."""
    kind = "NUMBER" if (precision, scale) == (None, None) else f"NUMBER({precision},{scale})"
    return Column("N", kind, precision=precision, scale=scale)


# What a guard refuses is NULL in the select list: a cast or the driver would fail on it first.
LATER = 'CASE WHEN "C" < DATE \'0001-01-01\' THEN NULL ELSE "C" END'
FITTING = 'CASE WHEN ROUND("N", 18) <> "N" OR ABS("N") >= 1e20 THEN NULL ELSE "N" END'
FINER = ' OR CAST("C" AS TIMESTAMP(6)) <> "C"'


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("C", "VARCHAR2(20 CHAR)"), '"C"'),
        (Column("C", "CLOB"), '"C"'),
        (Column("C", "RAW(16)"), '"C"'),
        (Column("C", "BINARY_DOUBLE"), '"C"'),
        (number(10, 2), 'CAST("N" AS NUMBER(10,2))'),
        (number(), f"CAST({FITTING} AS NUMBER(38,18))"),
        (Column("C", "DATE"), f"CAST({LATER} AS TIMESTAMP(6))"),
        (
            Column("C", "TIMESTAMP(9)"),
            f"CAST({LATER.replace(' THEN', FINER + ' THEN')} AS TIMESTAMP(6))",
        ),
        (
            Column("C", "TIMESTAMP(6) WITH TIME ZONE"),
            f"CAST(SYS_EXTRACT_UTC({LATER}) AS TIMESTAMP(6))",
        ),
        (
            Column("C", "TIMESTAMP(6) WITH LOCAL TIME ZONE"),
            f"CAST(SYS_EXTRACT_UTC({LATER}) AS TIMESTAMP(6))",
        ),
        (Column("C", "XMLTYPE"), 'XMLSERIALIZE(CONTENT "C" AS CLOB)'),
        (Column("C", "JSON"), 'JSON_SERIALIZE("C" RETURNING CLOB)'),
        (Column("C", "ROWID"), 'ROWIDTOCHAR("C")'),
        (Column("C", "INTERVAL DAY(2) TO SECOND(6)"), 'TO_CHAR("C")'),
        (Column("C", "SDO_GEOMETRY"), 'SDO_UTIL.TO_WKBGEOMETRY("C")'),
    ],
    ids=lambda value: getattr(value, "type", None),
)
def test_each_type_has_an_expression_that_arrives_exact(column: Column, expected: str):
    """What a type of Oracle's is cast to before it leaves the database."""
    assert OracleExpressions().carry(column, "").source == expected


@pytest.mark.parametrize(
    ("column", "shape"),
    [
        (number(10, 2), (10, 2)),
        (number(38, 0), (38, 0)),
        (number(None, 0), (38, 0)),
        (number(), (38, 18)),
        (number(5, -3), (8, 0)),
        (number(2, 5), (5, 5)),
        (number(38, 127), (38, 127)),
        (Column("F", "FLOAT(126)"), (38, 18)),
    ],
)
def test_numbers_become_decimals(column: Column, shape: tuple[int, int]):
    """A NUMBER without precision gets 18 decimals; odd scales get the digits they need."""
    assert decimal_shape(column) == shape


def test_only_types_that_may_not_fit_are_guarded():
    """A guard costs nothing where every value of the type has a counterpart."""
    assert guard(number(10, 2)) is None
    assert guard(Column("C", "VARCHAR2(9)")) is None
    unbounded = guard(number())
    assert unbounded is not None
    assert unbounded.condition == 'ROUND("N", 18) <> "N" OR ABS("N") >= 1e20'
    fine = guard(Column("C", "TIMESTAMP(9)"))
    assert fine is not None
    assert 'CAST("C" AS TIMESTAMP(6)) <> "C"' in fine.condition
    micro = guard(Column("C", "TIMESTAMP(6)"))
    assert micro is not None
    assert micro.condition == "\"C\" < DATE '0001-01-01'"


ORDERS = Table(
    TableName("ERP", "ORDERS"),
    "table",
    (
        Column("ID", "NUMBER(10,0)", nullable=False, precision=10, scale=0),
        Column("AMOUNT", "NUMBER"),
        Column("AT", "TIMESTAMP(6) WITH TIME ZONE"),
        Column("NAME", "VARCHAR2(20 CHAR)", length=20),
        Column("NOTE", "CLOB"),
    ),
)


def request(tmp_path: Path, **fields: object) -> Request:
    """A request for the table of these tests."""
    return Request(Source.parse("oracle://u:p@h/s"), ORDERS.name, tmp_path, **fields)  # type: ignore[arg-type]


def test_the_query_guards_what_might_be_lost(tmp_path):
    """One more column tells the first value of a row that cannot be carried."""
    plan = oracle.plan_of(request(tmp_path, where="ID > 0 -- all"), ORDERS)
    assert plan.query.startswith('SELECT CAST("ID" AS NUMBER(10,0)) AS "c0", ')
    assert 'WHEN ROUND("AMOUNT", 18) <> "AMOUNT" OR ABS("AMOUNT") >= 1e20 THEN \'1 \' ||' in (
        plan.query
    )
    assert plan.query.endswith('FROM "ERP"."ORDERS" WHERE (ID > 0 -- all\n)')
    assert plan.guarded == (1, 2)


def test_as_text_and_masks_need_no_guard(tmp_path):
    """What travels as text or masked has nothing to lose."""
    columns = {
        "AMOUNT": ColumnRule.model_validate({"as": "text"}),
        "AT": ColumnRule(mask="null"),
        "NAME": ColumnRule(mask="sha256"),
        "NOTE": ColumnRule(exclude=True),
    }
    plan = oracle.plan_of(request(tmp_path, columns=columns), ORDERS)
    assert plan.guarded == ()
    assert "NLS_NUMERIC_CHARACTERS" in plan.query
    assert "STANDARD_HASH(UTL_I18N.STRING_TO_RAW(\"NAME\", 'AL32UTF8'), 'SHA256')" in plan.query
    assert "NOTE" not in plan.query


def test_batches_of_wide_rows_are_short(tmp_path):
    """Rows of a batch are counted by bytes: a CLOB makes them few."""
    wide = oracle.plan_of(request(tmp_path), ORDERS)
    columns = {"NOTE": ColumnRule(exclude=True)}
    narrow = oracle.plan_of(request(tmp_path, columns=columns), ORDERS)
    assert wide.batch_rows < 50
    assert narrow.batch_rows > 10_000


def test_what_arrives_gets_the_spools_types(tmp_path):
    """Moments in UTC say so; large text becomes text."""
    columns = {"AMOUNT": ColumnRule(exclude=True), "NOTE": ColumnRule(exclude=True)}
    plan = oracle.plan_of(request(tmp_path, columns=columns), ORDERS)
    moment = datetime(2024, 1, 2, 3, 4, 5, 6)
    arrived = pa.record_batch(
        {
            "c0": pa.array([1], pa.decimal128(10, 0)),
            "c1": pa.array([moment], pa.timestamp("ns")),
            "c2": pa.array(["a"], pa.large_string()),
            "guard": pa.array([None], pa.large_string()),
        }
    )
    oracle.check_guard(plan, arrived)
    found = spool_batch(arrived, plan.columns, plan.converts)
    assert found.schema.names == ["ID", "AT", "NAME"]
    assert [str(kind) for kind in found.schema.types] == [
        "decimal128(10, 0)", "timestamp[us, tz=UTC]", "string",
    ]  # fmt: skip
    assert found.column(1)[0].as_py() == moment.replace(tzinfo=UTC)


def test_a_guards_value_fails_the_run(tmp_path):
    """The error names table, column and value, and the way out."""
    plan = oracle.plan_of(request(tmp_path), ORDERS)
    batch = pa.record_batch(
        {**{f"c{n}": pa.array([None, None]) for n in range(5)}, "g": pa.array([None, "1 1E+30"])}
    )
    with pytest.raises(ValueNotCarried, match=r"ERP\.ORDERS: column 'AMOUNT'") as caught:
        oracle.check_guard(plan, batch)
    assert "1E+30" in str(caught.value)
    assert "as: text" in str(caught.value)


def test_a_window_is_fixed_in_the_readers_transaction(tmp_path, monkeypatch):
    """The upper bound is asked once; bounds are of the cursor's own type."""
    asked: list[str] = []

    def answer(connection: object, sql: str) -> list[tuple[str]]:
        asked.append(sql)
        return [("42",)]

    monkeypatch.setattr(oracle, "rows", answer)
    window = Window("ID", lower="10", lookback="3")
    wanted = request(tmp_path, window=window, where="NAME = 'x'")
    plan, edges = oracle.windowed(None, wanted, oracle.plan_of(wanted, ORDERS))
    assert len(asked) == 1
    assert 'MAX("ID")' in asked[0]
    assert "(NAME = 'x'\n) AND (\"ID\" > 10\n)" in asked[0]
    assert (edges.lower, edges.watermark) == ("7", "42")
    assert plan.query.endswith('WHERE (NAME = \'x\'\n) AND ("ID" > 7 AND "ID" <= 42\n)')
    assert plan.count == f"SELECT COUNT(*) {plan.query[plan.query.index('FROM ') :]}"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("DATE", "2024-02-29 01:02:03", "TO_DATE('2024-02-29 01:02:03', 'YYYY-MM-DD HH24:MI:SS')"),
        ("DATE", "2024-02-29", "TO_DATE('2024-02-29', 'YYYY-MM-DD')"),
        (
            "TIMESTAMP(6)",
            "2024-02-29 01:02:03.123456789",
            "TO_TIMESTAMP('2024-02-29 01:02:03.123456789', 'YYYY-MM-DD HH24:MI:SS.FF')",
        ),
        (
            "TIMESTAMP(6) WITH TIME ZONE",
            "2024-02-29 01:02:03 +05:30",
            "TO_TIMESTAMP_TZ('2024-02-29 01:02:03 +05:30', 'YYYY-MM-DD HH24:MI:SS TZH:TZM')",
        ),
        ("NUMBER(10,2)", "-1.50", "-1.50"),
        ("VARCHAR2(9)", "O'Hara", "'O''Hara'"),
    ],
)
def test_bounds_are_of_the_cursors_type(kind: str, text: str, expected: str):
    """A literal never depends on the session's date or number format."""
    assert literal(Column("C", kind), text) == expected


def test_bounds_that_are_none_are_refused():
    """Nothing but a number becomes part of a query unquoted; a LOB is no cursor."""
    with pytest.raises(ParameterError, match="'1 OR 1=1'"):
        literal(number(10, 0), "1 OR 1=1")
    with pytest.raises(ParameterError, match="CLOB cannot be a cursor"):
        printed(Column("C", "CLOB"), "x")
