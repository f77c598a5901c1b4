"""A tiny source with the steps of the flow around `publish`: state, spool, publication."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from duckherd.catalog.model import TableName
from duckherd.extract.model import SpoolColumn
from duckherd.lake import open_lake, publish
from duckherd.lake.location import Lake
from duckherd.lake.model import Bounds, Format, Mode, Publication, Published, TableState
from duckherd.lake.read import open_published

TABLE = "sales.orders"
Row = tuple[int, int, str]
"""id, cursor, text: the columns of every table here."""


@dataclass(frozen=True)
class Setup:
    """How the table is published."""

    url: str
    mode: Mode = "replace"
    format: Format = "parquet"
    table: str = TABLE
    files: int = 2
    lookback: int = 0
    deletes: bool = False

    @property
    def name(self) -> TableName:
        return TableName.parse(self.table)


@dataclass
class Slice:
    """A range of the cursor to read again, both ends inclusive."""

    lower: int | None
    upper: int | None
    bounds: Bounds = field(default="[]")


SCHEMA = pa.schema([("id", pa.int64()), ("cursor", pa.int64()), ("text", pa.string())])


def spool(
    folder: Path,
    rows: Sequence[tuple[Any, ...]],
    files: int = 1,
    *,
    name: str = "part",
    schema: pa.Schema = SCHEMA,
) -> tuple[str, ...]:
    """Write rows into that many Parquet files."""
    paths = []
    for number in range(files):
        part = rows[number::files]
        columns = {
            field.name: pa.array([row[at] for row in part], field.type)
            for at, field in enumerate(schema)
        }
        path = folder / f"{name}-{number}.parquet"
        pq.write_table(pa.table(columns, schema), path, compression="zstd")
        paths.append(str(path))
    return tuple(paths)


def columns_of(*names: str) -> tuple[SpoolColumn, ...]:
    """Spool columns; types do not matter to the lake."""
    return tuple(SpoolColumn(name, name, "VARCHAR", "text") for name in names)


def publication(
    folder: Path, rows: Sequence[Row], flow_run: str, setup: Setup, **more: Any
) -> Publication:
    """A publication of these rows."""
    given: dict[str, Any] = {
        "table": setup.table,
        "flow_run": flow_run,
        "mode": setup.mode,
        "format": setup.format,
        "files": spool(folder, rows, setup.files),
        "columns": columns_of("id", "cursor", "text"),
        "rows": len(rows),
        "read_at": "2026-01-02T03:04:05+00:00",
        "key": ("id",),
        "cursor": "cursor",
    }
    return Publication(**{**given, **more})


def extracted(
    folder: Path,
    source: Iterable[Row],
    flow_run: str,
    setup: Setup,
    state: TableState,
    again: Slice | None = None,
) -> Publication:
    """What the flow would publish of this source at this state."""
    rows = list(source)
    if setup.mode == "replace":
        return publication(folder, rows, flow_run, setup, base_version=state.version)
    goes_on = state.continues(setup.mode, setup.format)
    mark = int(state.watermark) if goes_on and state.watermark is not None else None
    if again is not None:
        lower, upper, bounds = again.lower, again.upper, again.bounds
        found = [
            r for r in rows if (lower is None or r[1] >= lower) and (upper is None or r[1] <= upper)
        ]
    else:
        lower, bounds = (None if mark is None else mark - setup.lookback), "(]"
        upper = max([r[1] for r in rows] + ([] if mark is None else [mark]), default=None)
        found = [r for r in rows if lower is None or r[1] > lower]
    keys: tuple[str, ...] = ()
    if setup.deletes:
        keys = spool(folder, [(r[0],) for r in rows], name="keys", schema=pa.schema([SCHEMA[0]]))
    return publication(
        folder,
        found,
        flow_run,
        setup,
        slice=(_text(lower), _text(upper)),
        bounds=bounds,
        watermark=_text(upper),
        backfill=again is not None,
        base_version=state.version,
        keys=keys,
    )


def _text(bound: int | None) -> str | None:
    return None if bound is None else str(bound)


def run(
    setup: Setup,
    source: Iterable[Row],
    flow_run: str,
    *,
    again: Slice | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    is_over: Callable[[str], bool] = lambda _: True,
) -> Published:
    """One whole run: read the state, extract, publish."""
    lake = open_lake(setup.url)
    with tempfile.TemporaryDirectory() as folder:
        state, _ = lake.read_state(setup.name)
        found = extracted(Path(folder), source, flow_run, setup, state, again)
        return publish(lake, found, is_over, on_step=on_step)


def published(setup: Setup) -> list[Row]:
    """What readers see, sorted."""
    with open_published(open_lake(setup.url), setup.name) as snapshot:
        tables = [pq.ParquetFile(file).read() for file in snapshot.files]
    whole = pa.concat_tables([plain(table) for table in tables], promote_options="default")
    return expected(tuple(row.values()) for row in whole.to_pylist())


def plain(table: pa.Table) -> pa.Table:
    """The table with strings as strings: delta-rs writes views of them."""
    views = [n for n, field in enumerate(table.schema) if field.type == pa.string_view()]
    for n in views:
        name = table.schema.names[n]
        table = table.set_column(n, name, table.column(n).cast(pa.string()))
    return table


def state_of(setup: Setup) -> TableState:
    """The table's state."""
    return open_lake(setup.url).read_state(setup.name)[0]


def expected(source: Iterable[Row]) -> list[Row]:
    """The source as `published` would give it."""
    return sorted(source, key=lambda row: tuple(str(v) for v in row))


def killed_run(
    setup: Setup, source: list[Row], flow_run: str, step: int | None, delay: float | None
) -> None:
    """A run in a process that kills itself after that many steps, or seconds from its publish."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    seen = 0

    def on_step(_name: str) -> None:
        nonlocal seen
        seen += 1
        if step is not None and seen >= step:
            die()

    if delay is not None:
        threading.Thread(target=lambda: (time.sleep(delay), die()), daemon=True).start()
    run(setup, source, flow_run, on_step=on_step)


def other_table(setup: Setup, table: str) -> Setup:
    """The same lake, another table."""
    return replace(setup, table=table)


def lake_of(setup: Setup) -> Lake:
    """The lake."""
    return open_lake(setup.url)
