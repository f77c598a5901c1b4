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
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

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
        rows = rows_of(db, files)
        rows.write_parquet(str(target), compression="zstd")
    return target


def rows_of(db: DuckDBPyConnection, files: Sequence[Path | str]) -> DuckDBPyRelation:
    """All rows of the files.

    Raises LakeError for columns that differ only in case: DuckDB would rename one in silence.
    """
    import pyarrow.parquet as pq

    names = dict.fromkeys(name for file in files for name in pq.read_schema(file).names)
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise LakeError(
                f"columns {twin} and {name} differ only in case, which Delta tables and cut or "
                "joined Parquet objects cannot carry",
                hint=f"columns: {{{name}: {{rename: {name}_2}}}}",
            )
    return db.from_parquet([str(file) for file in files], union_by_name=True)


@contextmanager
def bounded_duckdb(work: Path) -> Iterator[DuckDBPyConnection]:
    """A private DuckDB with bounded memory that keeps values as they are."""
    import duckdb

    work.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(work),
        "preserve_insertion_order": True,
    }
    with duckdb.connect(config=config) as db:
        # Texts of timestamps with a zone are read and written in UTC, wherever this runs.
        db.execute("set TimeZone = 'UTC'")
        yield db
