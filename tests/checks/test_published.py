"""Checks of published tables, in a folder, in a bucket and in Delta."""

from __future__ import annotations

from pathlib import Path

import pytest

from check_tables import ORDERS, parse, publish
from duckherd.checks.published import check_published

NOW = "2024-01-11T00:00:00+00:00"
CHECKS = """
- not_null: line
- relationships: {column: customer, to: sales.customers, field: id}
- row_count: {min: 10, max: 10, max_drop: 50%}
- unique: status
"""
CUSTOMERS = "select * from (values (10), (20), (30), (40), (50)) t(id)"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty lake: a folder, then a bucket."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    return str(request.getfixturevalue("s3_lake"))


@pytest.mark.parametrize("format_", ["parquet", "delta"])
def test_published_table_is_judged_in_place(place: str, format_: str, tmp_path: Path) -> None:
    """The same verdicts wherever the table is published, also against another table."""
    spool = tmp_path / "spool.parquet"
    publish(place, "sales.orders", ORDERS, spool, format=format_)
    publish(place, "sales.customers", CUSTOMERS, spool)
    verdicts = check_published(place, "sales.orders", parse(CHECKS), NOW, key=["id"])
    assert [(v.outcome, v.failures) for v in verdicts] == [
        ("fail", 2),
        ("fail", 1),
        ("pass", 0),
        ("fail", 4),
    ]
    assert verdicts[1].samples == ({"id": "10", "customer": "60"},)


def test_history_is_of_the_loads_before_the_published_one(tmp_path: Path) -> None:
    """The published load is compared with the one before it, not with itself."""
    lake, spool = str(tmp_path / "lake"), tmp_path / "spool.parquet"
    (check,) = parse([{"row_count": {"max_drop": "50%"}}])
    publish(lake, "a.b", "select 1 as i from range(100)", spool)
    assert check_published(lake, "a.b", [check], NOW)[0].outcome == "skipped"
    publish(lake, "a.b", "select 1 as i from range(40)", spool)
    (verdict,) = check_published(lake, "a.b", [check], NOW)
    assert (verdict.outcome, verdict.observed) == ("fail", "40 after 100, -60.0%")


def test_table_that_is_not_published(tmp_path: Path) -> None:
    """One verdict says so, and blocks."""
    (verdict,) = check_published(str(tmp_path), "a.b", parse(CHECKS), NOW)
    assert (verdict.outcome, verdict.blocks) == ("error", True)
    assert "a.b is not published" in verdict.observed
