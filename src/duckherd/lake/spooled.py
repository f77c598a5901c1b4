"""From the spool's files to one object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from duckherd.errors import LakeError
from duckherd.lake.assembly import FLOW_RUN, Assembly, SchemasDiffer, assemble
from duckherd.lake.model import Publication

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY = "256MB"


def assembled(
    publication: Publication, work: Path, files: Sequence[Path] | None = None
) -> Assembly:
    """The spool's files, or `files` instead, as one object that tells who wrote it.

    Raises LakeError where the spool does not hold the rows that were read.
    """
    metadata = {
        FLOW_RUN: publication.flow_run,
        "duckherd.table": publication.table,
        "duckherd.read_at": publication.read_at,
    }
    spool = files is None
    files = [Path(file) for file in publication.files] if files is None else files
    try:
        whole = assemble(files, metadata)
    except SchemasDiffer:
        whole = assemble([_rewritten(files, work)], metadata)
    except FileNotFoundError as error:
        raise LakeError(f"the spool of {publication.table} is gone: {error.filename}") from error
    if spool and whole.rows != publication.rows:
        raise LakeError(
            f"the spool of {publication.table} holds {whole.rows:,} rows where "
            f"{publication.rows:,} were read; nothing was published"
        )
    return whole


def _rewritten(files: Sequence[Path], work: Path) -> Path:
    """The files as one, decoded and encoded again."""
    target = work / "rewritten.parquet"
    with bounded_duckdb(work) as db:
        rows = db.from_parquet([str(file) for file in files], union_by_name=True)
        rows.write_parquet(str(target), compression="zstd")
    return target


@contextmanager
def bounded_duckdb(work: Path) -> Iterator[DuckDBPyConnection]:
    """A private DuckDB with bounded memory that keeps values as they are."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(work),
        "preserve_insertion_order": True,
    }
    with duckdb.connect(config=config) as db:
        # Texts of timestamps with a zone are read and written in UTC, wherever this runs.
        db.execute("set TimeZone = 'UTC'")
        yield db
