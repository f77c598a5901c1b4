"""Looking at what an extraction wrote, with DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb

from duckherd.extract.model import Extract


def rows(extract: Extract, sql: str = "FROM spool") -> list[tuple[Any, ...]]:
    """Rows of a query over the view `spool`, all files of an extract."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        files = ", ".join("'" + str(file).replace("'", "''") + "'" for file in extract.files)
        db.execute(f"CREATE VIEW spool AS FROM read_parquet([{files}])")
        return db.execute(sql).fetchall()


def types(extract: Extract) -> dict[str, str]:
    """Type of each spool column by its name."""
    return {column.name: column.type for column in extract.columns}
