"""A table's content as two numbers, computed alike from SQLite and from Parquet.

Independent of the code under proof: SQLite is read with the standard library, Parquet
with DuckDB, both ordered by all columns, and the rows hashed as Python values.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Rows, and the SHA-256 of all rows with all columns in order."""

    rows: int
    sha256: str


def of_parquet(path: Path) -> tuple[Fingerprint, dict[str, str]]:
    """Of a Parquet file; and its columns with DuckDB's types, in order."""
    import duckdb

    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE FROM read_parquet(?)", [str(path)]).fetchall()
        types = {name: kind for name, kind, *_ in described}
        columns = ", ".join(_from_parquet(name, kind) for name, kind in types.items())
        order = ", ".join(f"{_quote(name)} NULLS FIRST" for name in types)
        # One thread keeps the memory of the sort small; the tables are small enough for it.
        connection.execute("SET threads = 2")
        found = connection.execute(
            f"SELECT {columns} FROM read_parquet(?) ORDER BY {order}", [str(path)]
        )
        return _of(iter(lambda: found.fetchmany(_BATCH), [])), types


def of_sqlite(path: Path, table: str, types: dict[str, str]) -> Fingerprint:
    """Of a table or view of a SQLite file.

    Args:
        path: of the SQLite file.
        table: name of the table or view.
        types: columns with the types they have in the lake: SQLite has no dates and stores
            2.0 as 2 in a DECIMAL column, so equal means equal as the lake's type.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        known = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({_quote(table)})")]
        # A column the lake lacks or made up must not go unnoticed.
        columns = ", ".join(_from_sqlite(name, types.get(name, "")) for name in known)
        order = ", ".join(_quote(name) for name in known)
        found = connection.execute(f"SELECT {columns} FROM {_quote(table)} ORDER BY {order}")
        return _of(iter(lambda: found.fetchmany(_BATCH), []))


def tables_of(path: Path) -> tuple[str, ...]:
    """Tables and views of a SQLite file, by name."""
    query = (
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite%' ORDER BY name"
    )
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return tuple(name for (name,) in connection.execute(query))


def _of(batches: Iterable[Sequence[tuple[Any, ...]]]) -> Fingerprint:
    rows, digest = 0, hashlib.sha256()
    for batch in batches:
        rows += len(batch)
        for row in batch:
            digest.update(repr(row).encode())
    return Fingerprint(rows, digest.hexdigest())


def _from_parquet(name: str, kind: str) -> str:
    column = _quote(name)
    return f"CAST({column} AS VARCHAR)" if kind in {"DATE", "TIMESTAMP"} else column


def _from_sqlite(name: str, kind: str) -> str:
    column = _quote(name)
    return f"CAST({column} AS REAL)" if kind == "DOUBLE" else column


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
