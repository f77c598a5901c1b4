"""Tables of the tests of checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from check_tables import ORDERS, Table, publish, write


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Table]:
    """Make a table from a query."""
    return lambda query: write(query, tmp_path / "part-0.parquet")


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Ten orders."""
    return write(ORDERS, tmp_path_factory.mktemp("orders") / "part-0.parquet")


@pytest.fixture(scope="session")
def no_orders(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The same columns without rows."""
    query = f"select * from ({ORDERS}) where false"
    return write(query, tmp_path_factory.mktemp("no-orders") / "part-0.parquet")


@pytest.fixture(scope="session")
def null_orders(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The same columns, three rows of NULL in each."""
    query = f"select * replace (null::timestamp as created_at) from ({ORDERS}) where false"
    query += " union all select " + ", ".join(["null"] * 8) + " from range(3)"
    return write(query, tmp_path_factory.mktemp("null-orders") / "part-0.parquet")


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake in which sales.customers (10 to 50, and a NULL) is published."""
    folder = tmp_path_factory.mktemp("lake")
    query = "select * from (values (10), (20), (30), (40), (50), (null)) t(id)"
    publish(folder / "lake", "sales.customers", query, folder / "spool.parquet")
    return str(folder / "lake")
