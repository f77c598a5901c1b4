"""What is published, and the state that is kept beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from duckherd.checks.model import Load
from duckherd.extract.model import SpoolColumn

Mode = Literal["replace", "append", "merge"]
Format = Literal["parquet", "delta"]
Bounds = Literal["(]", "[]", "()", "[)"]
"""Whether an interval holds its ends, in the notation of SQL's range types."""


@dataclass(frozen=True, slots=True)
class LakeObject:
    """One object that belongs to a published version.

    Attributes:
        path: below the lake's URL, e.g. `sales/orders.parquet`.
        rows, bytes: of that object.
        version: ETag or generation in a bucket; inode, time and size on local disk; the
            log's version for a Delta table. None before it is written.
        slice: watermark interval the object holds (`append`), None otherwise.
        bounds: whether `slice` holds its ends.
    """

    path: str
    rows: int
    bytes: int
    version: str | None = None
    slice: tuple[str | None, str | None] | None = None
    bounds: Bounds = "(]"


@dataclass(frozen=True, slots=True)
class Pending:
    """A publish that announced itself and has not committed.

    Attributes:
        flow_run: the Prefect flow run's id.
        since: ISO 8601 UTC.
        objects: paths about to be written.
        previous: path -> version before, None where the object did not exist.
        outcome: the state to move to once the objects are found written.
    """

    flow_run: str
    since: str
    objects: tuple[str, ...]
    previous: tuple[tuple[str, str | None], ...] = ()
    outcome: TableState | None = None


@dataclass(frozen=True, slots=True)
class TableState:
    """`<lake>/_duckherd/<schema>.<table>.json`: what is published of one table.

    Attributes:
        table: `schema.name`.
        version: counts publishes of this table, from 1; 0 before the first.
        flow_run: id of the flow run that committed this version.
        published_at: ISO 8601 UTC of the commit.
        data_until: ISO 8601 UTC moment of the consistent view that was read.
        watermark: upper bound of the cursor, as text; None in `replace`.
        delta_version: the Delta log's version, None for Parquet.
        history: earlier loads, newest first, at most 100.
        schema_changes: the last recorded differences, newest first, at most 20, each a
            line for people with its date.
        committed: flow runs that committed, newest first, at most 20: a publish repeated
            by one of them is a no-op.
        obsolete: objects of earlier versions that the next publish deletes if they are
            still there; one that ends in `/` is a folder.
    """

    table: str
    version: int = 0
    mode: Mode = "replace"
    format: Format = "parquet"
    flow_run: str | None = None
    published_at: str | None = None
    data_until: str | None = None
    watermark: str | None = None
    objects: tuple[LakeObject, ...] = ()
    columns: tuple[SpoolColumn, ...] = ()
    rows: int = 0
    delta_version: int | None = None
    history: tuple[Load, ...] = ()
    schema_changes: tuple[str, ...] = ()
    committed: tuple[str, ...] = ()
    obsolete: tuple[str, ...] = ()
    pending: Pending | None = None

    def continues(self, mode: Mode, format: Format) -> bool:  # noqa: A002
        """Whether a run in this mode and format builds on the published version.

        False means that it must read the table from the beginning, whatever the watermark.
        """
        if self.version == 0 or "replace" in (mode, self.mode):
            return False
        return format == self.format


@dataclass(frozen=True, slots=True)
class Publication:
    """What one run publishes.

    Attributes:
        key: columns that identify a row, lake names (`merge`).
        slice: the watermark interval read, None in `replace`.
        rows: rows of the spool.
        metrics: verdict name -> metric, kept in the state's history.
        schema_change: lines that describe the difference to the published columns.
        keys: files of all keys of the source, for `deletes: compare_keys`; empty otherwise.
        cursor: the cursor column's lake name; None where there is none.
        bounds: whether `slice` holds its ends; a backfill holds both.
        base_version: the state's version the run started from; where another run has
            published since, this one is refused. None asks for no such check.
    """

    table: str
    flow_run: str
    mode: Mode
    format: Format
    files: tuple[str, ...]
    columns: tuple[SpoolColumn, ...]
    rows: int
    read_at: str
    key: tuple[str, ...] = ()
    slice: tuple[str | None, str | None] | None = None
    watermark: str | None = None
    metrics: tuple[tuple[str, float], ...] = ()
    schema_change: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    backfill: bool = field(default=False)
    cursor: str | None = None
    bounds: Bounds = "(]"
    base_version: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did. `repeated` says this run had committed before: nothing was done."""

    state: TableState
    objects: tuple[LakeObject, ...]
    bytes: int
    rows: int
    repeated: bool = False
