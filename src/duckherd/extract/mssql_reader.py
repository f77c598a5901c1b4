"""One query of SQL Server -> one Parquet file, as a stream of Arrow batches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import mssql_python
import pyarrow as pa
import pyarrow.compute as pc

from duckherd.catalog.model import TableName
from duckherd.catalog.mssql import quote_table
from duckherd.catalog.mssql_connection import raised, rows
from duckherd.errors import SourceBusy, SourceError
from duckherd.extract.arrow_spool import (
    Convert,
    SpoolWriter,
    hexadecimal,
    spool_batch,
    spool_schema,
    uuids,
)
from duckherd.extract.carried import value_not_carried
from duckherd.extract.mssql_plan import Plan, where
from duckherd.extract.mssql_types import base_type, fine_hint, in_nanoseconds
from duckherd.extract.projection import Projected
from duckherd.extract.rules import ColumnRule

_REPLACEMENT = "\ufffd"


def read_slice(
    connection: Any,
    plan: Plan,
    condition: str,
    path: Path,
    *,
    readers: int = 1,
    stop: Event | None = None,
) -> int:
    """Write the rows of a slice; returns how many. Gives up soon after `stop` is set.

    Raises:
        ValueNotCarried: a value has no exact counterpart; nothing is left at `path`.
        SourceError: of the tree, by what the server said.
    """
    doubtful: Counter[int] = Counter()
    with _cursor(connection) as cursor:
        stream = _batches(cursor, plan, plan.query(condition), plan.batch_rows(readers))
        first = next(stream)
        converts = [_convert(plan, column) for column in plan.columns]
        schema = spool_schema(first.schema, plan.columns, converts)
        with SpoolWriter(path, schema, plan.group_bytes(readers)) as writer:
            for batch in stream:
                if stop is not None and stop.is_set():
                    raise SourceError(f"{plan.table.name}: another slice failed")
                _check_guard(plan, batch)
                doubtful.update(_replacements(plan, batch))
                writer.add(spool_batch(batch, plan.columns, converts))
    for index, seen in doubtful.items():
        _check_replacements(connection, plan, condition, index, seen)
    return writer.rows


@contextmanager
def _cursor(connection: Any) -> Iterator[Any]:
    """A cursor whose errors arrive as those of the error tree."""
    cursor = connection.cursor()
    try:
        yield cursor
    except (mssql_python.Error, RuntimeError) as error:
        cursor.close()  # or the server could not be asked for the error's number
        raise raised(connection, error) from None
    finally:
        cursor.close()


def _batches(cursor: Any, plan: Plan, sql: str, size: int) -> Iterator[pa.RecordBatch]:
    """An empty batch, for its schema, and then the rows."""
    timeout = plan.request.statement_timeout
    started = time.monotonic()
    cursor.execute(sql)
    yield cursor.arrow_batch(0)
    while (batch := cursor.arrow_batch(size)).num_rows:
        yield batch
        # The driver's own timeout ends with the first row.
        if timeout is not None and time.monotonic() - started > timeout:
            raise SourceBusy(
                f"{plan.table.name} was not read within the statement timeout of {timeout:g} s",
                hint="raise limits.statement_timeout of the table",
            )


def _convert(plan: Plan, column: Projected) -> Convert | None:
    """What a column needs on arrival; None where it arrives as the spool has it."""
    rule = plan.rules.get(column.column.name, ColumnRule())
    if rule.mask is not None:
        return hexadecimal if rule.mask == "sha256" else None
    if rule.as_ == "text":
        return None
    if rule.as_ is None and in_nanoseconds(column.column):
        return _moments
    special: dict[str, Convert] = {
        "uniqueidentifier": uuids,
        "time": partial(_times, plan.table.name, column),
    }
    return special.get(base_type(column.column))


def _moments(array: pa.Array) -> pa.Array:
    """Nanoseconds since 1970 -> the moments they count."""
    return array.view(pa.timestamp("ns"))


def _times(table: TableName, column: Projected, array: pa.Array) -> pa.Array:
    """Nanoseconds -> microseconds, where no digit is lost."""
    try:
        return array.cast(pa.time64("us"))
    except pa.ArrowInvalid:
        numbers = array.view(pa.int64()).to_pylist()
        lost = next(number for number in numbers if number is not None and number % 1000)
        seconds, nanoseconds = divmod(lost, 1_000_000_000)
        clock = time.strftime("%H:%M:%S", time.gmtime(seconds))
        value, hint = f"{clock}.{nanoseconds // 100:07d}", fine_hint(column.column)
        raise value_not_carried(table, column, value, hint=hint) from None


def _check_guard(plan: Plan, batch: pa.RecordBatch) -> None:
    if plan.guards:
        guard = batch.column(len(plan.columns))
        if guard.null_count < len(guard):
            raise plan.violated(str(guard.drop_null()[0].as_py()))


def _replacements(plan: Plan, batch: pa.RecordBatch) -> dict[int, int]:
    """Rows of each text column that hold U+FFFD, which the driver writes for broken UTF-16."""
    found = {}
    for index in range(len(plan.columns)):
        array = batch.column(index)
        if pa.types.is_large_string(array.type):
            count = pc.sum(pc.match_substring(array, _REPLACEMENT)).as_py()
            if count:
                found[index] = count
    return found


def _check_replacements(connection: Any, plan: Plan, condition: str, index: int, seen: int) -> None:
    """Every U+FFFD that arrived must be one in the source, too."""
    column = plan.columns[index]
    exact = f"CAST({column.source} AS nvarchar(max)) COLLATE Latin1_General_100_BIN2"
    sql = (
        f"SELECT COUNT_BIG(*) FROM {quote_table(plan.table.name)}"
        f"{where(*plan.conditions, condition, f'CHARINDEX(NCHAR(65533), {exact}) > 0')}"
    )
    if rows(connection, sql)[0][0] < seen:
        raise value_not_carried(
            plan.table.name,
            column,
            "(half of a surrogate pair)",
            hint="exclude the column, or repair the text at the source: it is no valid Unicode",
        )
