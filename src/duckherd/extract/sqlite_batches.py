"""Rows of SQLite -> Arrow batches, each value's storage class checked."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence

import pyarrow as pa

from duckherd.catalog.model import TableName
from duckherd.extract.carried import value_not_carried
from duckherd.extract.projection import Projected
from duckherd.extract.sqlite_types import Shape, Storage

BATCH_BYTES = 8 * 1024 * 1024
_FIRST_ROWS = 64
_MOST_ROWS = 512

_PYTHON: dict[Storage, type] = {"integer": int, "real": float, "text": str, "blob": bytes}
_ARROW = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
}
_EXACT_INTEGERS = 2**53

Rows = list[tuple[object, ...]]


class Batches:
    """The stream of one query.

    A reader runs inside DuckDB, which would turn its errors into text: the first one is
    kept in `error` and raised by the caller.
    """

    def __init__(
        self,
        cursor: sqlite3.Cursor,
        table: TableName,
        columns: Sequence[Projected],
        shapes: Sequence[Shape],
    ) -> None:
        self._cursor = cursor
        self._fetching = threading.Lock()
        self._table = table
        self._columns = columns
        self._shapes = shapes
        self._schema = pa.schema(
            [
                (column.alias, _ARROW[shape.arrow])
                for column, shape in zip(columns, shapes, strict=True)
            ]
        )
        self.error: Exception | None = None

    def reader(self) -> pa.RecordBatchReader:
        """The stream for `parquet.write_batches`."""
        return pa.RecordBatchReader.from_batches(self._schema, self._kept())

    def close(self) -> None:
        """End the statement: one not read to its end would keep the file locked.

        A query that failed may still have a thread of DuckDB's fetching.
        """
        with self._fetching:
            self._cursor.close()

    def _fetched(self, count: int) -> Rows:
        with self._fetching:
            return self._cursor.fetchmany(count)

    def _kept(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._chunks()
        except Exception as error:
            self.error = self._named(error)
            raise

    def _named(self, error: Exception) -> Exception:
        """The error that names the column whose text is not UTF-8; any other as it is."""
        match = re.match(r"Could not decode to UTF-8 column '(c\d+)' with text '(.*)'", str(error))
        if match is None:
            return error
        column = next(c for c in self._columns if c.alias == match[1])
        return value_not_carried(
            self._table,
            column,
            match[2],
            hint=f"it is not UTF-8; leave the column out: "
            f"columns: {{{column.column.name}: exclude}}",
        )

    def _chunks(self) -> Iterator[pa.RecordBatch]:
        """Batches bounded by their bytes: the wider the last rows were, the fewer are fetched."""
        fetch = _FIRST_ROWS
        while rows := self._fetched(fetch):
            batch = self._batch(rows)
            yield batch
            fitting = int(BATCH_BYTES * len(rows) / max(batch.nbytes, 1))
            # A few rows ahead only: the next ones may be a megabyte each.
            fetch = max(1, min(_MOST_ROWS, fitting))

    def _batch(self, rows: Rows) -> pa.RecordBatch:
        arrays = [
            self._array(column, shape, values)
            for column, shape, values in zip(
                self._columns, self._shapes, zip(*rows, strict=True), strict=True
            )
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _array(self, column: Projected, shape: Shape, values: tuple[object, ...]) -> pa.Array:
        allowed = {_PYTHON[storage] for storage in shape.storage} | {type(None)}
        found = set(map(type, values))
        if not found <= allowed:
            self._refuse(column, next(v for v in values if type(v) not in allowed))
        if shape.arrow == "double" and int in found:
            inexact = (v for v in values if type(v) is int and int(float(v)) != v)
            if (example := next(inexact, None)) is not None:
                self._refuse(column, example)
        return pa.array(values, _ARROW[shape.arrow])

    def _refuse(self, column: Projected, example: object) -> None:
        shown = example.hex() if isinstance(example, bytes) else str(example)
        raise value_not_carried(self._table, column, shown)
