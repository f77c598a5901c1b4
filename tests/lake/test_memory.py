from __future__ import annotations

from multiprocessing.context import BaseContext
from pathlib import Path

import duckdb
import pytest

from lake.children import peak
from lake.harness import Setup, state_of


@pytest.mark.parametrize(
    ("kind", "format_"), [("folder", "parquet"), ("s3", "parquet"), ("folder", "delta")]
)
def test_publishing_does_not_hold_the_table_in_memory(
    kind: str,
    format_: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    children: BaseContext,
) -> None:
    """Publishing 400 MB takes less than half of that."""
    url = request.getfixturevalue("folder_lake" if kind == "folder" else "s3_lake")
    file = tmp_path / "big.parquet"
    rows = 200_000
    with duckdb.connect() as db:
        # Text that does not compress: 1,000 characters a row.
        text = " || ".join(["sha256((i * 100 + {})::varchar)".format(n) for n in range(16)])
        db.execute(
            f"copy (select i id, {text} as t from range({rows}) r(i)) to '{file}' (row_group_size 20480)"
        )
    assert file.stat().st_size > 90_000_000
    results = children.Queue()
    child = children.Process(target=peak, args=(url, format_, str(file), rows, results))
    child.start()
    growth = results.get(timeout=300)
    child.join(30)
    assert state_of(Setup(url)).rows == 2 * rows
    assert growth < 200_000_000
