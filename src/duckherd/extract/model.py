"""What an extraction is asked for and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.extract.rules import ColumnRule


@dataclass(frozen=True, slots=True)
class Window:
    """The slice of a cursor column one run reads: `lower < cursor <= upper`.

    Bounds are text as the database itself prints (and reads) the cursor's type, so
    that they survive JSON unchanged.

    Attributes:
        column: the cursor column, its name in the source.
        lower: exclusive; None from the beginning. Where `lower_inclusive`, inclusive.
        upper: inclusive; None to be fixed by the reader at its start (`max(cursor)`
            in the same snapshot).
        lookback: seconds (timestamps) or units (integers) re-read below `lower`,
            given as the user wrote it, e.g. `1h` or `1000`; None for none.
        nulls: whether rows whose cursor is NULL are read too.
    """

    column: str
    lower: str | None = None
    upper: str | None = None
    lookback: str | None = None
    lower_inclusive: bool = False
    nulls: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One table to read.

    Attributes:
        spool: an existing empty folder; files are written into it as `part-*.parquet`.
        columns: rules by source column name; columns without a rule are carried as they are.
        where: a SQL condition in the source's own dialect.
        window: None reads the whole table.
        key: columns that identify a row, named as in the source; empty where unknown.
        max_connections: how many connections this read may hold at once, at least 1.
        slice_bytes: aim for the size of one slice of a big table, bytes as the source estimates.
        statement_timeout, lock_timeout: seconds, None for the database's own.
        memory_limit: bytes the engine may use.
        keys_only: read only the key columns (used to find deleted rows).
        published: types the lake has of the columns, by their name in the source: where the
            source leaves a type open, it stays as it is as long as the values fit.
        continues: whether the rows join published ones, so that no type may change.
        count_rows: also let the source count the rows that are about to be read, in the same
            view where the database gives several statements one.
    """

    source: Source
    table: TableName
    spool: Path
    columns: Mapping[str, ColumnRule] = field(default_factory=lambda: MappingProxyType({}))
    where: str | None = None
    window: Window | None = None
    key: tuple[str, ...] = ()
    max_connections: int = 2
    slice_bytes: int = 256 * 1024 * 1024
    statement_timeout: float | None = None
    lock_timeout: float | None = None
    memory_limit: int = 256 * 1024 * 1024
    keys_only: bool = False
    published: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    continues: bool = False
    count_rows: bool = False


@dataclass(frozen=True, slots=True)
class SpoolColumn:
    """One column of the spool.

    Attributes:
        name: in the lake (after `rename`).
        source_name: in the source.
        type: DuckDB's type text of the spool's column, e.g. `DECIMAL(18,2)`.
        source_type: the database's own type text.
        nullable: as the source declares it.
        masked: whether a mask was applied in the source query.
    """

    name: str
    source_name: str
    type: str
    source_type: str
    nullable: bool = True
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Extract:
    """What was read.

    Attributes:
        files: Parquet files, in order; at least one, also for an empty table.
        rows: rows over all files.
        bytes: size of the files on disk.
        columns: in the order of the files.
        read_at: ISO 8601 UTC moment of the consistent view.
        lower: the effective lower bound read, after `lookback`; None from the beginning.
        watermark: the upper bound that was read, text as in Window; None without a
            window, or where the slice held no row and no bound is known.
        snapshot: how the view was kept consistent, e.g. `exported snapshot`, `single statement`.
        queries: the SELECT statements sent, without credentials, for the run's artifact.
        source_rows: the source's own count of these rows; None where it was not asked.
    """

    files: tuple[Path, ...]
    rows: int
    bytes: int
    columns: tuple[SpoolColumn, ...]
    read_at: str
    lower: str | None = None
    watermark: str | None = None
    snapshot: str = "single statement"
    queries: tuple[str, ...] = ()
    source_rows: int | None = None
