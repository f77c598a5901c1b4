"""The flow that duckherd replaces: one flow run loads every table of a database.

    pip install prefect pandas pyarrow sqlalchemy psycopg
    python examples/monolith.py sqlite:///shop.db lake
    python examples/monolith.py postgresql+psycopg://user:password@host/shop lake

It is what people write first, and fine until it is not: every table waits for the one
before it, one bad table turns the whole run red, a retry loads everything again, each
table lies in memory as a whole, a crash half-way through a file leaves half a file, and
a password given as a parameter is stored and shown by the Prefect server.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pandas as pd  # noqa: TID253  (an example of what others write)
from prefect import flow, get_run_logger, task
from sqlalchemy import Engine, create_engine, inspect


@cache
def engine(source: str) -> Engine:
    """The database, with connections that all tables share."""
    return create_engine(source)


@task
def list_tables(source: str) -> list[str]:
    """Tables and views of the database, as `schema.name`."""
    inspector = inspect(engine(source))
    schemas = [s for s in inspector.get_schema_names() if s not in SYSTEM_SCHEMAS]
    return sorted(
        f"{schema}.{name}"
        for schema in schemas
        for name in [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    )


@task(retries=2, retry_delay_seconds=2)
def load_table(source: str, table: str, lake: str) -> int:
    """Read one table and write it as one Parquet file; its number of rows."""
    schema, _, name = table.partition(".")
    quote = engine(source).dialect.identifier_preparer.quote
    with engine(source).connect() as connection:
        frame = pd.read_sql(f"SELECT * FROM {quote(schema)}.{quote(name)}", connection)
    path = Path(lake) / schema / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, compression="zstd")
    return len(frame)


@task
def check_table(table: str, rows: int) -> None:
    """What there usually is in the way of checks."""
    if rows == 0:
        get_run_logger().warning("%s is empty", table)


@flow(name="load-everything")
def load_everything(source: str, lake: str) -> int:
    """Load all tables, one after the other; the number of rows."""
    total = 0
    for table in list_tables(source):
        rows = load_table(source, table, lake)
        check_table(table, rows)
        total += rows
    return total


SYSTEM_SCHEMAS = {"information_schema", "pg_catalog"}

if __name__ == "__main__":
    print(f"{load_everything(sys.argv[1], sys.argv[2]):,} rows")
