from __future__ import annotations

import random
from collections.abc import Callable
from multiprocessing.context import BaseContext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.children import peak
from lake.harness import Setup, state_of

ROWS = 100_000
WIDTH = 1_000


def noise(path: Path) -> None:
    """Rows that do not compress: the file is as big as they are, 100 MB."""
    made = random.Random(1).randbytes(ROWS * WIDTH)
    offsets = pa.array(range(0, ROWS * WIDTH + 1, WIDTH), pa.int32())
    values = pa.BinaryArray.from_buffers(
        pa.binary(), ROWS, [None, offsets.buffers()[1], pa.py_buffer(made)]
    )
    pq.write_table(pa.table({"text": values}), path, row_group_size=20_480, use_dictionary=False)


def repeated(path: Path) -> None:
    """Rows that compress: they are big, 100 MB, and the file is not."""
    values = pa.array([f"{n % 3000:010}" * (WIDTH // 10) for n in range(3000)])
    index = pa.array([n % 3000 for n in range(ROWS)], pa.int32())
    table = pa.table({"text": pa.DictionaryArray.from_arrays(index, values).cast(pa.string())})
    pq.write_table(table, path, row_group_size=20_480, compression="zstd")


@pytest.mark.parametrize(
    ("kind", "format_", "make", "copies", "limit"),
    [
        ("folder", "parquet", noise, 3, 100_000_000),
        ("s3", "parquet", noise, 2, 150_000_000),
        ("folder", "delta", repeated, 10, 700_000_000),
    ],
)
def test_publishing_does_not_hold_the_table_in_memory(
    kind: str,
    format_: str,
    make: Callable[[Path], None],
    copies: int,
    limit: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    children: BaseContext,
) -> None:
    """Publishing 200 MB of Parquet, or 1 GB of rows to Delta, takes clearly less memory."""
    url = request.getfixturevalue("folder_lake" if kind == "folder" else "s3_lake")
    file = tmp_path / "big.parquet"
    make(file)
    results = children.Queue()
    files = (str(file),) * copies
    child = children.Process(target=peak, args=(url, format_, files, ROWS * copies, results))
    child.start()
    growth = results.get(timeout=300)
    child.join(30)
    assert state_of(Setup(url)).rows == ROWS * copies
    assert growth < limit
