"""What is sent to a real SQL Server, whichever server is at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from duckherd.catalog.model import Column, Table, TableName
from duckherd.catalog.mssql_connection import Server
from duckherd.catalog.source import Source
from duckherd.errors import ParameterError, SourceError, ValueNotCarried
from duckherd.extract.model import Request, Window
from duckherd.extract.mssql_plan import Plan, plan_of
from duckherd.extract.mssql_reader import _check_guard, _convert
from duckherd.extract.mssql_slices import ranges, slice_count
from duckherd.extract.mssql_types import literal
from duckherd.extract.mssql_window import condition
from duckherd.extract.rules import ColumnRule

SERVER = Server(
    "SQL Server 2022", 16, azure=False, babelfish=False, snapshot=True,
    read_committed_snapshot=False,
)  # fmt: skip
TABLE = Table(
    TableName("sales", "we]ird"),
    "table",
    (
        Column("id", "int", nullable=False),
        Column("at", "datetime2(7)", scale=7),
        Column("moment", "datetimeoffset(7)", scale=7),
        Column("name", "nvarchar(40)", length=40),
        Column("place", "geography"),
        Column("node", "hierarchyid"),
        Column("body", "nvarchar(max)"),
    ),
    rows=10_000_000,
    bytes=1_000_000_000,
    clustered=("id",),
)


def plan(tmp_path: Path, server: Server = SERVER, **fields: object) -> Plan:
    """A plan of the table of these tests."""
    source = Source.parse("mssql://u:p@h/d")
    return plan_of(Request(source, TABLE.name, tmp_path, **fields), server, TABLE)  # type: ignore[arg-type]


def test_types_the_driver_cannot_read_are_cast(tmp_path):
    """Spatial types become well-known binary, hierarchyid its text."""
    query = plan(tmp_path).query()
    assert "[place].AsBinaryZM() AS [c4]" in query
    assert "[node].ToString() AS [c5]" in query
    assert query.endswith('FROM [sales]."we]ird"')


def test_the_query_itself_looks_for_digits_that_would_be_lost(tmp_path):
    """A datetimeoffset finer than a microsecond is guarded; the guard names column and value."""
    made = plan(tmp_path)
    assert "WHEN DATEPART(nanosecond, [moment]) % 1000 <> 0 THEN CONCAT('1 '," in made.query()
    columns = {f"c{n}": pa.array([None]) for n in range(7)}
    _check_guard(made, pa.record_batch({**columns, "g": pa.array([None], pa.string())}))
    value = "2024-01-02 03:04:05.1234567 +01:00"
    with pytest.raises(ValueNotCarried, match="column 'moment'") as caught:
        _check_guard(made, pa.record_batch({**columns, "g": pa.array([f"1 {value}"])}))
    assert value in str(caught.value)
    text = ColumnRule.model_validate({"as": "text"})
    assert plan(tmp_path, columns={"at": text, "moment": text}).guards == ()


def test_the_default_datetime2_travels_in_nanoseconds(tmp_path):
    """The driver would cut its seventh digit off; a moment beyond 64 bits is named."""
    made = plan(tmp_path)
    assert (
        "THEN DATEDIFF_BIG(nanosecond, CONVERT(datetime2(7), '1970-01-01', 121), [at]) END AS [c1]"
        in made.query()
    )
    convert = _convert(made, made.columns[1])
    assert convert is not None
    arrived = convert(pa.array([1_700_000_000_123_456_700, -100, None]))
    assert [str(value) for value in arrived.cast(pa.string())] == [
        "2023-11-14 22:13:20.123456700", "1969-12-31 23:59:59.999999900", "None",
    ]  # fmt: skip
    columns = {f"c{n}": pa.array([None]) for n in range(7)}
    with pytest.raises(ValueNotCarried, match=r"column 'at'.*'9999-12-31'") as caught:
        _check_guard(made, pa.record_batch({**columns, "g": pa.array(["0 9999-12-31"])}))
    assert "as: microseconds" in (caught.value.hint or "")


def test_fine_times_can_be_cut_to_microseconds(tmp_path):
    """Only where the user says so, and only where there is something to cut."""
    cut = ColumnRule.model_validate({"as": "microseconds"})
    made = plan(tmp_path, columns={"at": cut, "moment": cut})
    assert "DATEADD(nanosecond, -(DATEPART(nanosecond, [at]) % 1000), [at]) AS [c1]" in made.query()
    assert made.guards == ()
    assert _convert(made, made.columns[1]) is None
    with pytest.raises(ParameterError, match=r"column 'name' \(nvarchar\(40\)\)"):
        plan(tmp_path, columns={"name": cut})


def test_a_hash_is_of_utf8_or_refused(tmp_path):
    """Servers before 2019 cannot encode UTF-8, and a hash of UTF-16 would match nothing."""
    masked = {"name": ColumnRule(mask="sha256")}
    assert "COLLATE Latin1_General_100_BIN2_UTF8" in plan(tmp_path, columns=masked).query()
    with pytest.raises(SourceError, match="needs SQL Server 2019"):
        plan(tmp_path, replace(SERVER, major=14), columns=masked)


def test_batches_are_counted_by_bytes(tmp_path):
    """Wide rows make short batches, many readers share the memory limit."""
    made = plan(tmp_path)
    assert made.batch_rows(1) > 1000
    assert replace(made, lob_bytes=100_000_000).batch_rows(1) == 1
    assert made.batch_rows(64) < made.batch_rows(1)


def test_a_table_is_cut_by_its_clustered_key():
    """Slices aim for a size; a heap has no order to cut."""
    assert slice_count(TABLE, 256 * 1024 * 1024, 100) == 4
    assert slice_count(replace(TABLE, clustered=()), 1, 100) == 1
    assert ranges(Column("id", "int"), ("10", "20")) == (
        "[id] < CONVERT(int, N'10') OR [id] IS NULL",
        "[id] >= CONVERT(int, N'10') AND [id] < CONVERT(int, N'20')",
        "[id] >= CONVERT(int, N'20')",
    )
    assert ranges(Column("id", "int"), ()) == ("",)


def test_a_windows_condition_keeps_the_cursors_type():
    """Bounds are converted to the column's type, not the column to theirs."""
    at = Column("at", "datetime2(3)", scale=3)
    window = Window("at", nulls=True)
    assert condition(at, window, "2024-01-01", "2024-01-02") == (
        "([at] > CONVERT(datetime2(3), N'2024-01-01', 121) AND "
        "[at] <= CONVERT(datetime2(3), N'2024-01-02', 121)) OR [at] IS NULL"
    )
    assert condition(at, Window("at"), None, None) == "1 = 0"


def test_a_bound_of_a_binary_cursor_is_hexadecimal():
    """A bound that is no number of the type is refused before any query."""
    version = Column("v", "rowversion")
    assert literal(version, "0x00000000000007D1") == "0x00000000000007D1"
    with pytest.raises(ParameterError, match="'1; DROP TABLE t'"):
        literal(version, "1; DROP TABLE t")
    assert literal(Column("n", "nvarchar(5)"), "O'Hara") == "CONVERT(nvarchar(5), N'O''Hara')"
