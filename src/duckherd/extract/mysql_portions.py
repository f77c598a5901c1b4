"""Wide rows of MySQL: portions by the primary key, so that bytes bound the memory.

DuckDB takes rows in vectors of 2,048, two gigabytes of one-megabyte values. Here a
portion has as many rows as were a few megabytes of the last one. All portions are read
in one transaction on one connection, so in one view; a portion is held whole, as the
scanner streams only outside of transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from duckherd.catalog import scanner
from duckherd.catalog.mysql_connection import attachment, quote
from duckherd.extract.arrow_spool import SpoolWriter, plain
from duckherd.extract.mysql_types import base
from duckherd.extract.projection import Projected, select_list, spool_list

if TYPE_CHECKING:
    import duckdb

    from duckherd.catalog.model import Table
    from duckherd.extract.model import Request

WIDE = 8 * 1024
"""Mean bytes of a row, as the server estimates them, from which a table is read in portions."""

_PORTION_BYTES = 8 * 1024 * 1024
_FIRST_ROWS, _MOST_ROWS = 16, 256
_KEY = "duckherd_key"
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_ONE_VIEW = frozenset({"REPEATABLE-READ", "SERIALIZABLE"})
_ISOLATION = (
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')"
)


class Reading(Protocol):
    """What a read of MySQL's is made of, see `extract.mysql.Read`."""

    @property
    def request(self) -> Request: ...
    @property
    def table(self) -> Table: ...
    @property
    def columns(self) -> Sequence[Projected]: ...
    def query(self, select: str, *conditions: str | None) -> str: ...


def portion_key(table: Table) -> str | None:
    """The column to cut a table by: a primary key of one integer; None where there is none."""
    key = table.primary_key
    column = table.column(key[0]) if len(key) == 1 else None
    return None if column is None or base(column.type) not in _INTEGERS else column.name


def is_wide(table: Table) -> bool:
    """Whether portions are better than one statement."""
    return (table.bytes or 0) >= WIDE * max(table.rows or 0, 1)


def read_portions(read: Reading, key: str, condition: str | None, path: Path) -> int | None:
    """Write the rows to a Parquet file; how many, None where the server gives no lasting view."""
    request = read.request
    with scanner.transaction(attachment(request.source)) as cursor:
        isolation = cursor.execute(f"FROM {_in_view(_ISOLATION)}").fetchall()
        if not {str(row[1]).upper() for row in isolation} & _ONE_VIEW:
            return None
        portion = _portion(cursor, read, key, condition, None, _FIRST_ROWS)
        with SpoolWriter(path, _spooled(portion, read).schema, request.memory_limit // 8) as writer:
            wanted = _FIRST_ROWS
            while portion.num_rows:
                for batch in _spooled(portion, read).to_batches():
                    writer.add(batch)
                if portion.num_rows < wanted:
                    break
                last = int(str(portion.column(_KEY)[-1].as_py()))
                fitting = _PORTION_BYTES * portion.num_rows // max(portion.nbytes, 1)
                wanted = max(1, min(_MOST_ROWS, fitting))
                portion = _portion(cursor, read, key, condition, last, wanted)
        return writer.rows


def _portion(
    cursor: duckdb.DuckDBPyConnection,
    read: Reading,
    key: str,
    condition: str | None,
    after: int | None,
    rows: int,
) -> pa.Table:
    """The next rows in the key's order, as the spool has them, and their keys as text."""
    name = quote(key)
    select = f"{select_list(read.columns, quote)}, CAST({name} AS CHAR) AS {quote(_KEY)}"
    beyond = None if after is None else f"{name} > {after}"
    sql = f"{read.query(select, condition, beyond)} ORDER BY {name} LIMIT {rows}"
    return cursor.execute(
        f"SELECT {spool_list(read.columns)}, {_KEY} FROM {_in_view(sql)}"
    ).to_arrow_table()


def _in_view(sql: str) -> str:
    """A relation on the transaction's own connection."""
    return (
        f"mysql_query('{scanner.SOURCE}', '" + sql.replace("'", "''") + "', stream_results=false)"
    )


def _spooled(portion: pa.Table, read: Reading) -> pa.Table:
    """Without the keys, in types that every Parquet reader knows."""
    kept = portion.columns[: len(read.columns)]
    arrays = [plain(column.combine_chunks()) for column in kept]
    return pa.table(arrays, names=[column.name for column in read.columns])
