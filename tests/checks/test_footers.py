"""Counts that come from footers are those of a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from check_tables import parse
from duckherd.checks import run_checks
from duckherd.checks.compile import aggregate_query, probes_of
from duckherd.checks.engine import Resources, opened
from duckherd.checks.footers import known
from duckherd.checks.model import Context
from duckherd.extract.model import SpoolColumn

ROWS = """
    select i::tinyint as tiny, i::ubigint * 100000000000 as wide,
        (i * 0.25)::decimal(9, 2) as money, i::decimal(38, 3) * 100000 as huge,
        date '2024-01-01' + i::int as day,
        timestamp '2024-01-01 00:00:00.000001' + interval (i) hour as moment,
        timestamptz '2024-01-01 02:00:00+02' + interval (i) hour as zoned,
        case when i % 10 <> 3 then i end as gaps, null::integer as nothing,
        i / 2.0 as float, 'word ' || i as text, [i, null] as list, {'part': i} as struct,
        i % 2 = 0 as flag
    from range(100) t(i)
"""


def write(folder: Path, query: str = ROWS) -> tuple[list[Path], list[SpoolColumn]]:
    """Two files of the same columns, each of several row groups."""
    files = [folder / "a.parquet", folder / "b.parquet"]
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute(f"create table rows as {query}")
        for number, file in enumerate(files):
            part = f"select * from rows where rowid % 2 = {number}"
            db.execute(f"copy ({part}) to '{file}' (format parquet, row_group_size 16)")
        described = db.execute("describe rows").fetchall()
    return files, [SpoolColumn(name, name, kind, kind) for name, kind, *_ in described]


def counts(
    files: list[Path], columns: list[SpoolColumn], checks: str | list[Any]
) -> dict[str, int]:
    """What is known of the checks before a scan."""
    with opened(files, {}, Resources()) as connection:
        return dict(known(connection, files, parse(checks), columns).counts)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[SpoolColumn]]:
    """A hundred rows of every type whose footers are believed, and of some others."""
    return write(tmp_path_factory.mktemp("footers"))


INSIDE = {
    "tiny": (0, 99),
    "wide": (0, 9_900_000_000_000),
    "money": (0, 24.75),
    "huge": (0, 9_900_000),
    "day": ("2024-01-01", "2024-04-09"),
    "moment": ("2024-01-01 00:00:00.000001", "2024-01-05 03:00:00.000001"),
    "zoned": ("2024-01-01 01:00:00+01", "2024-01-05 03:00:00Z"),
    "gaps": (0, 99),
}


@pytest.mark.parametrize(("column", "bounds"), INSIDE.items(), ids=INSIDE)
def test_range_that_holds_both_extremes_needs_no_scan(
    column: str, bounds: tuple[Any, Any], rows: Any
) -> None:
    """The bounds themselves are allowed, unless they are exclusive; `where` changes nothing."""
    least, most = bounds
    inclusive = {"range": {"column": column, "min": least, "max": most, "where": "flag"}}
    assert list(counts(*rows, [inclusive]).values()) == [0]
    exclusive = {"range": {"column": column, "min": least, "exclusive": True}}
    assert counts(*rows, [exclusive]) == {}
    (verdict,) = run_checks(*rows, parse([exclusive]), Context("a.b", "2024-01-01T00:00:00+00:00"))
    assert (verdict.outcome, verdict.failures) == ("fail", 1)


@pytest.mark.parametrize("column", ["float", "text", "nothing", "list", "struct", "no such"])
def test_other_ranges_are_scanned(column: str, rows: Any) -> None:
    """Floats may hide a NaN, writers cut text, and no value has no extremes."""
    assert counts(*rows, [{"range": {"column": column, "min": "-1", "max": "99999"}}]) == {}


def test_nulls_are_counted_by_the_footers(rows: Any) -> None:
    """In every type without nesting, over all files and row groups."""
    names = [column.name for column in rows[1]]
    known_counts = counts(*rows, [{"not_null": names}])
    assert known_counts == {
        f'"{name}" is null': {"gaps": 10, "nothing": 100}.get(name, 0)
        for name in names
        if name not in {"list", "struct"}
    }


@pytest.mark.parametrize("where", [None, "flag"])
def test_verdicts_are_those_of_a_scan(where: str | None, rows: Any) -> None:
    """Whether a figure comes from footers or not, it is the same."""
    files, columns = rows
    checks: list[Any] = [{"not_null": {"columns": [c.name for c in columns], "where": where}}]
    for column, (least, most) in INSIDE.items():
        checks += [
            {"range": {"column": column, "min": least, "where": where}},
            {"range": {"column": column, "max": most, "exclusive": True, "where": where}},
            {"null_ratio": {"column": column, "max": 1, "where": where}},
            {"unique": {"columns": column, "where": where}},
        ]
    scanned = probes_of(parse(checks), columns)
    with opened(files, {}, Resources()) as connection:
        query, measures = aggregate_query(scanned)
        figures = dict(zip(measures, connection.execute(query).fetchall()[0], strict=True))
    found = run_checks(files, columns, parse(checks), Context("a.b", "2024-01-01T00:00:00+00:00"))
    for probe, verdict in zip(scanned, found, strict=True):
        tested, failed = (figures[measure] for measure in probe.measures)
        assert verdict.rows == tested, probe.name
        if verdict.check == "null_ratio":
            assert verdict.metric == failed / tested
        else:
            assert verdict.failures == failed, probe.name


def test_nan_that_a_footer_hides_is_found(tmp_path: Path) -> None:
    """Other writers leave NaN out of the greatest value; it lies beyond every bound."""
    file = tmp_path / "nan.parquet"
    pq.write_table(pa.table({"x": [1.0, float("nan"), 3.0]}), file)
    columns = [SpoolColumn("x", "x", "DOUBLE", "DOUBLE")]
    checks = parse([{"range": {"column": "x", "min": 0, "max": 5}}])
    (verdict,) = run_checks([file], columns, checks, Context("a.b", "2024-01-01T00:00:00+00:00"))
    assert (verdict.outcome, verdict.failures) == ("fail", 1)


@pytest.mark.parametrize(
    ("first", "second", "check", "failures"),
    [
        ("select 1 as x, null as y", "select 1 as x", {"not_null": "y"}, 2),
        ("select '5' as x", "select 10 as x", {"range": {"column": "x", "min": "6"}}, 2),
        ("select 0.6 as x", "select 1 as x", {"range": {"column": "x", "min": 1}}, 1),
        ("select 1::tinyint as x", "select 300 as x", {"range": {"column": "x", "max": 1}}, 1),
        ("select {'part': 1} as x, 7 as \"x, part\"",) * 2
        + ({"range": {"column": "x, part", "max": 1}}, 2),
    ],
)
def test_files_of_different_columns(
    first: str, second: str, check: dict[str, Any], failures: int, tmp_path: Path
) -> None:
    """A file without a column, with another type of it, or with a part of the same path."""
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    with duckdb.connect() as db:
        for query, file in zip((first, second), files, strict=True):
            db.execute(f"copy ({query}) to '{file}' (format parquet)")
        described = db.execute(f"describe from '{files[1]}'").fetchall()
    columns = [SpoolColumn(name, name, kind, kind) for name, kind, *_ in described]
    (verdict,) = run_checks(
        files, columns, parse([check]), Context("a.b", "2024-01-01T00:00:00+00:00")
    )
    assert verdict.failures == failures
