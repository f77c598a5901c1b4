"""What is in a DuckDB file."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.catalog.scanner import new_engine
from duckherd.catalog.source import Source
from duckherd.errors import SourceBusy, SourceDenied, SourceError, TableNotFound

SOURCE = "source"

_COLUMNS = f"""
SELECT c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable,
  c.numeric_precision, c.numeric_scale, c.comment, t.kind, t.rows, t.comment
FROM duckdb_columns() c JOIN (
  SELECT database_name, schema_name, table_name AS name, 'table' AS kind,
    estimated_size AS rows, comment FROM duckdb_tables()
  UNION ALL
  SELECT database_name, schema_name, view_name, 'view', NULL, comment FROM duckdb_views()
) t ON (t.database_name, t.schema_name, t.name) = (c.database_name, c.schema_name, c.table_name)
WHERE c.database_name = '{SOURCE}' AND NOT c.internal
ORDER BY c.schema_name, c.table_name, c.column_index
"""

_KEYS = f"""
SELECT schema_name, table_name, constraint_name, constraint_column_names, constraint_type
FROM duckdb_constraints()
WHERE database_name = '{SOURCE}' AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
ORDER BY constraint_type, constraint_index
"""


@contextlib.contextmanager
def session(
    source: Source, *, table: TableName | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with the file attached read-only, in one transaction; closed at the end."""
    path = Path(source.database)
    if not path.is_file():
        raise SourceError(
            f"{source}: there is no file {source.database!r}",
            hint="duckdb:///relative.db is below the current folder, duckdb:////absolute.db is not",
        )
    connection = new_engine()
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS {SOURCE} (READ_ONLY)")
        connection.execute("BEGIN")
        yield connection
    except duckdb.Error as error:
        raise translate(str(error), source, table) from None
    finally:
        connection.close()


def translate(text: str, source: Source, table: TableName | None) -> SourceError:
    """Our error for an error text of DuckDB's."""
    what = f"{source}: {table}: {text}" if table else f"{source}: {text}"
    if "Could not set lock" in text:
        return SourceBusy(what, hint="another process has the file open for writing")
    if "Permission denied" in text:
        return SourceDenied(what, hint="check the permissions of the file and of its folder")
    if "does not exist" in text:
        return TableNotFound(what, hint="see what there is: duckherd sync")
    return SourceError(what)


def catalog(source: Source, tables: Sequence[TableName] | None = None) -> tuple[Table, ...]:
    """Tables and views, ordered by name."""
    with session(source) as connection:
        return describe(connection, tables)


def describe(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[TableName] | None = None
) -> tuple[Table, ...]:
    """The same inside the caller's transaction."""
    keys: dict[TableName, list[Key]] = defaultdict(list)
    for schema, name, constraint, columns, kind in connection.execute(_KEYS).fetchall():
        key = Key(constraint or kind.lower(), tuple(columns), primary=kind == "PRIMARY KEY")
        keys[TableName(schema, name)].append(key)
    found: dict[TableName, list[tuple[Any, ...]]] = defaultdict(list)
    for schema, name, *described in connection.execute(_COLUMNS).fetchall():
        found[TableName(schema, name)].append(tuple(described))
    return tuple(
        Table(
            name=name,
            kind=described[0][6],
            columns=tuple(_column(*row[:6]) for row in described),
            keys=tuple(keys[name]),
            rows=described[0][7],
            comment=described[0][8],
        )
        for name, described in sorted(found.items())
        if tables is None or name in tables
    )


def _column(
    name: str,
    declared: str,
    nullable: bool,
    precision: int | None,
    scale: int | None,
    comment: str | None,
) -> Column:
    decimal = declared.startswith("DECIMAL")
    return Column(
        name=name,
        type=declared,
        nullable=nullable,
        precision=precision if decimal else None,
        scale=scale if decimal else None,
        comment=comment,
    )
