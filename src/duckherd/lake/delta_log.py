"""Delta tables in the lake: where they are and what their logs tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError, PublishConflict
from duckherd.lake.assembly import FLOW_RUN
from duckherd.lake.location import Lake
from duckherd.lake.model import LakeObject, Pending, TableState
from duckherd.lake.naming import delta_path
from duckherd.lake.refusal import explained


def landed(lake: Lake, pending: Pending) -> TableState | None:
    """The outcome of a pending publish whose commit is in Delta's log; None where it is not."""
    assert pending.outcome is not None  # noqa: S101  # Delta came after outcomes
    table = log_of(lake, pending.outcome.table)
    if table is None:
        return None
    before = int(dict(pending.previous).get(folder_of(pending.outcome.table)) or -1)
    for entry in table.history(max(1, table.version() - before)):
        if entry["version"] > before and entry.get(FLOW_RUN) == pending.flow_run:
            return with_log(pending.outcome, table)
    return None


def with_log(state: TableState, table: Any) -> TableState:
    """The state with what Delta's log tells of the table."""
    import pyarrow as pa

    adds = pa.table(table.get_add_actions(flatten=True))
    whole = LakeObject(
        path=folder_of(state.table),
        rows=sum(adds["num_records"].to_pylist()),
        bytes=sum(adds["size_bytes"].to_pylist()),
        version=str(table.version()),
    )
    return replace(state, objects=(whole,), rows=whole.rows, delta_version=table.version())


def folder_of(table: str) -> str:
    """The folder of a table, below the lake."""
    return delta_path(TableName.parse(table)) + "/"


def uri_of(lake: Lake, table: str) -> str | Path:
    """Where deltalake finds the table."""
    path = delta_path(TableName.parse(table))
    local = lake.store.local(path)
    return local if local is not None else f"{lake.url}/{path}"


def log_of(lake: Lake, table: str, version: int | None = None) -> Any:
    """Deltalake's handle of the table, None where there is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    with writing(lake, table):
        try:
            return DeltaTable(
                uri_of(lake, table), version=version, storage_options=lake.delta_options
            )
        except TableNotFoundError:
            return None


@contextmanager
def writing(lake: Lake, table: str) -> Iterator[None]:
    """Turn what deltalake raises into errors of the lake."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError as error:
        raise PublishConflict(
            f"{table} was not published to {lake}: somebody else changed its Delta table meanwhile",
            hint=f"run it again: duckherd run {table}",
        ) from error
    except (DeltaError, OSError) as error:
        raise explained(error, str(lake), f"writing the Delta table of {table}") from error


def data_files(lake: Lake, state: TableState) -> tuple[str, ...]:
    """Paths of the Parquet files of a version, below the lake."""
    import pyarrow as pa

    table = log_of(lake, state.table, state.delta_version)
    if table is None:
        raise FileNotFoundError(folder_of(state.table))
    if "deletionVectors" in (table.protocol().reader_features or ()):
        raise LakeError(
            f"the Delta table of {state.table} has deletion vectors, which duckherd does not read",
            hint="remove them: REORG TABLE ... APPLY (PURGE), and drop the feature",
        )
    paths = pa.table(table.get_add_actions(flatten=True))["path"].to_pylist()
    return tuple(folder_of(state.table) + unquote(path) for path in paths)
