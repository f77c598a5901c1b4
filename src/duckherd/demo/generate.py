"""Writing the sample shop as a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

from duckherd.demo.shop import INDEXES, REPAIR, TABLES, VIEWS, ShopTable

SEED = 20_260_101


def generate(path: Path, *, seed: int = SEED, scale: float = 1.0) -> int:
    """Write the database; the number of rows in its tables.

    Args:
        path: of the new file; must not exist.
        seed: the same seed gives the same data.
        scale: share of the rows to write; keys may point at rows that are left out.
    """
    rows = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nobody else sees the file yet, and a file that was cut off is made anew.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for table in TABLES:
            rows += _fill(connection, table, seed, int(table.rows * scale))
        for name, query in VIEWS.items():
            connection.execute(f"CREATE VIEW {name} AS {query}")
        for statement in INDEXES:
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA journal_mode = DELETE")
    return rows


def repair(path: Path) -> int:
    """Give the shipments their lost tracking codes back; the number of rows changed."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(REPAIR).rowcount


def _fill(connection: sqlite3.Connection, table: ShopTable, seed: int, rows: int) -> int:
    columns = ", ".join(f"{name} {declared}" for name, (declared, _) in table.columns.items())
    connection.execute(f"CREATE TABLE {table.name} ({columns})")
    marks = ", ".join("?" * len(table.columns))
    # A generator of its own, so that adding a table changes no other one.
    random = Random(f"{seed} {table.name}")  # noqa: S311  # sample data, no secret
    values = zip(*(maker(random, rows) for _, maker in table.columns.values()), strict=True)
    connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", values)
    return rows
