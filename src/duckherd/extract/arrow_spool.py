"""Arrow batches -> the spool, for databases whose driver speaks Arrow.

DuckDB's writer, which the other dialects use, holds at least 2,048 rows: two gigabytes
of one-megabyte values. Here a row group closes by its bytes, however wide the rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from duckherd.extract.projection import Projected

Convert = Callable[[pa.Array], pa.Array]
"""One column of a batch as it arrived -> as the spool has it."""

_MOST_ROWS = 122_880
_ZSTD_LEVEL = 3


class SpoolWriter:
    """Writes one Parquet file; a file that was not closed in order is removed.

    Args:
        path: the file, written as batches come.
        schema: of the batches as the spool has them.
        group_bytes: a row group is closed when it holds as much, before compression.
    """

    def __init__(self, path: Path, schema: pa.Schema, group_bytes: int) -> None:
        self.rows = 0
        self._path = path
        self._group_bytes = group_bytes
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._held_rows = 0
        self._parquet = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            # Readers that know no Arrow see the same types as those that do.
            store_schema=False,
            store_decimal_as_integer=True,
        )

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch; batches may have any number of rows."""
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        self._held_rows += batch.num_rows
        if self._held_bytes >= self._group_bytes or self._held_rows >= _MOST_ROWS:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._held)
        self._parquet.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows
        self._held, self._held_bytes, self._held_rows = [], 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._held:
            self._flush()
        self._parquet.close()
        if kind is not None:
            self._path.unlink(missing_ok=True)


def spool_schema(
    arrived: pa.Schema, columns: Sequence[Projected], converts: Sequence[Convert | None]
) -> pa.Schema:
    """The spool's schema of batches that arrive with the schema `arrived`."""
    empty = arrived.empty_table().to_batches()
    batch = empty[0] if empty else pa.RecordBatch.from_pylist([], schema=arrived)
    return spool_batch(batch, columns, converts).schema


def spool_batch(
    batch: pa.RecordBatch, columns: Sequence[Projected], converts: Sequence[Convert | None]
) -> pa.RecordBatch:
    """A batch under the lake's names, each column converted; further columns are dropped."""
    arrays = [
        plain(batch.column(index)) if convert is None else convert(batch.column(index))
        for index, convert in enumerate(converts)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def plain(array: pa.Array) -> pa.Array:
    """The same values in the type that Parquet readers expect."""
    kind = array.type
    if pa.types.is_large_string(kind):
        return array.cast(pa.string())
    if pa.types.is_large_binary(kind):
        return array.cast(pa.binary())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return array.cast(pa.timestamp(kind.unit, "UTC"))
    return array


def uuids(array: pa.Array) -> pa.Array:
    """Text of 32 hexadecimal digits and any hyphens -> UUID."""
    storage = _unhex(array, 16)
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def _unhex(array: pa.Array, width: int) -> pa.Array:
    digits = pc.fill_null(pc.replace_substring(array, "-", ""), "0" * 2 * width)
    data = bytes.fromhex("".join(digits.to_pylist()))
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(array), [_validity(array), pa.py_buffer(data)]
    )


def _validity(array: pa.Array) -> pa.Buffer | None:
    return None if array.null_count == 0 else pa.array(array.is_valid()).buffers()[1]


def hexadecimal(array: pa.Array) -> pa.Array:
    """Bytes -> lower-case hexadecimal text."""
    return pa.array(
        [None if value is None else value.hex() for value in array.to_pylist()], pa.string()
    )
