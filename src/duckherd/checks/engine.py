"""A DuckDB that sees one table and nothing else, within a memory limit.

Users' SQL runs in it, so it may read the table's files and no other, write nothing but
its own spill folder, load no extension and change no setting.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duckherd.checks import sql
from duckherd.checks.compile import relation

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Files = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Resources:
    """What judging may use.

    Attributes:
        memory_limit: bytes the engine keeps in memory; what does not fit is spilled.
        threads: None for one a core, at most four.
        temp: folder on a disk with room for the spill, None for the system's own.
    """

    memory_limit: int = 256 * 1024 * 1024
    threads: int | None = None
    temp: Path | None = None


@contextmanager
def opened(
    files: Files, others: Mapping[str, Files], resources: Resources
) -> Iterator[DuckDBPyConnection]:
    """A connection with the view `this` over `files`, and one for each of the `others`."""
    import duckdb

    threads = resources.threads or min(4, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="duckherd-spill-", dir=resources.temp) as spill:
        config: dict[str, Any] = {
            "memory_limit": f"{resources.memory_limit}B",
            "threads": threads,
            "temp_directory": spill,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(config=config) as connection:
            connection.execute("set TimeZone = 'UTC'")
            # No check depends on the order of rows, and keeping it costs memory.
            connection.execute("set preserve_insertion_order = false")
            _confine(connection, [*files, *(file for each in others.values() for file in each)])
            _view(connection, "this", files)
            for table, its_files in others.items():
                name = relation(table)
                connection.execute(f"create schema if not exists {name.rpartition('.')[0]}")
                _view(connection, name, its_files)
            yield connection


def canonical_types(connection: DuckDBPyConnection, types: Sequence[str]) -> dict[str, str]:
    """Each type as DuckDB writes it. Raises duckdb.Error for one it does not know."""
    return {
        type_: str(connection.execute(f"select typeof(cast(null as {type_}))").fetchall()[0][0])
        for type_ in dict.fromkeys(types)
    }


def _confine(connection: DuckDBPyConnection, files: Files) -> None:
    connection.execute(f"set allowed_paths = [{_paths(files)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _view(connection: DuckDBPyConnection, name: str, files: Files) -> None:
    # Files of an earlier version may lack a column that was added since.
    scan = f"read_parquet([{_paths(files)}], union_by_name = true)"
    connection.execute(f"create view {name} as select * from {scan}")


def _paths(files: Files) -> str:
    return sql.literals([os.fspath(file) for file in files])
