"""Writing the spool: Parquet with zstd, by DuckDB, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from duckherd.extract.model import Extract, SpoolColumn
from duckherd.extract.projection import Projected, literal, spool_list

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROW_GROUP_BYTES = 32 * 1024 * 1024
"""Aim for a row group's size before compression: what one writer holds in memory."""

_ZSTD_LEVEL = 1
"""As pyarrow's: DuckDB's own 3 takes an eighth more time to write for 3 % fewer bytes."""

_MOST_ROWS = 122_880
FEWEST_ROWS = 2_048


def row_group_rows(row_bytes: float) -> int:
    """Rows of a row group of rows this wide, bytes; whole vectors of DuckDB's."""
    rows = int(ROW_GROUP_BYTES / max(row_bytes, 1))
    return max(FEWEST_ROWS, min(_MOST_ROWS, rows // FEWEST_ROWS * FEWEST_ROWS))


def write(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[Projected],
    relation: str,
    path: Path,
    *,
    rows_per_group: int = _MOST_ROWS,
) -> int:
    """Write `select <spool expressions> from <relation>` to a Parquet file; returns its rows.

    A query without rows writes a file with its schema and no row.
    """
    found = connection.execute(
        f"COPY (SELECT {spool_list(columns)} FROM {relation}) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {_ZSTD_LEVEL}, "
        f"ROW_GROUP_SIZE {rows_per_group})"
    ).fetchone()
    return int(found[0]) if found else 0


def write_batches(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[Projected],
    batches: pa.RecordBatchReader,
    path: Path,
    *,
    rows_per_group: int = _MOST_ROWS,
) -> int:
    """Write a stream of Arrow batches, whose columns are named by the aliases; returns its rows.

    The reader is pulled from a thread of DuckDB's, one batch at a time: what is in
    memory is a batch and a row group. An error raised by the reader arrives as
    duckdb.Error with its text; keep the original where the reader raises it.
    """
    connection.register("duckherd_batches", batches)
    try:
        return write(connection, columns, "duckherd_batches", path, rows_per_group=rows_per_group)
    finally:
        connection.unregister("duckherd_batches")


def spool_columns(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[Projected], path: Path
) -> tuple[SpoolColumn, ...]:
    """The columns of a written file with DuckDB's types."""
    described = connection.execute(
        f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})"
    ).fetchall()
    return tuple(
        SpoolColumn(
            name=column.name,
            source_name=column.column.name,
            type=str(row[1]),
            source_type=column.column.type,
            nullable=column.column.nullable,
            masked=column.masked,
        )
        for column, row in zip(columns, described, strict=True)
    )


def now() -> str:
    """This moment as Extract.read_at wants it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()


def extract_of(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[Projected],
    files: Sequence[Path],
    *,
    rows: int,
    read_at: str,
    lower: str | None = None,
    watermark: str | None = None,
    snapshot: str = "single statement",
    queries: Sequence[str] = (),
    source_rows: int | None = None,
) -> Extract:
    """The account of a finished read."""
    return Extract(
        files=tuple(files),
        rows=rows,
        bytes=sum(file.stat().st_size for file in files),
        columns=spool_columns(connection, columns, files[0]),
        read_at=read_at,
        lower=lower,
        watermark=watermark,
        snapshot=snapshot,
        queries=tuple(queries),
        source_rows=source_rows,
    )
