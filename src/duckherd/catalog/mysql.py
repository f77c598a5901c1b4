"""What is in a MySQL or MariaDB server, in three queries of information_schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import duckdb

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.catalog.mysql_connection import Server, literal, relation, session
from duckherd.catalog.source import Source

_SYSTEM = ("mysql", "information_schema", "performance_schema", "sys")

_TABLES = """
SELECT t.TABLE_SCHEMA AS s, t.TABLE_NAME AS n, t.TABLE_TYPE AS k,
  CAST(t.TABLE_ROWS AS CHAR) AS r, CAST(t.DATA_LENGTH AS CHAR) AS b, t.TABLE_COMMENT AS c
FROM information_schema.TABLES t
WHERE t.TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED') AND {filter}
ORDER BY s, n
"""

_COLUMNS = """
SELECT t.TABLE_SCHEMA AS s, t.TABLE_NAME AS n, t.COLUMN_NAME AS c, t.COLUMN_TYPE AS ty,
  t.DATA_TYPE AS dt, t.IS_NULLABLE AS nu, t.EXTRA AS ex,
  CAST(t.CHARACTER_MAXIMUM_LENGTH AS CHAR) AS le, CAST(t.NUMERIC_PRECISION AS CHAR) AS pr,
  CAST(t.NUMERIC_SCALE AS CHAR) AS sc, t.COLUMN_COMMENT AS co
FROM information_schema.COLUMNS t WHERE {filter} ORDER BY s, n, t.ORDINAL_POSITION
"""

_KEYS = """
SELECT t.TABLE_SCHEMA AS s, t.TABLE_NAME AS n, t.INDEX_NAME AS i, t.COLUMN_NAME AS c,
  CAST(t.SUB_PART AS CHAR) AS p
FROM information_schema.STATISTICS t WHERE t.NON_UNIQUE = 0 AND {filter}
ORDER BY s, n, i, t.SEQ_IN_INDEX
"""


def catalog(source: Source, tables: Sequence[TableName] | None = None) -> tuple[Table, ...]:
    """Tables and views of the URL's database (of all where it names none), ordered by name.

    A schema is what MySQL calls a database. Tables asked for by name may be in any.
    """
    with session(source) as cursor:
        return describe(cursor, source, tables)


def describe(
    cursor: duckdb.DuckDBPyConnection, source: Source, tables: Sequence[TableName] | None = None
) -> tuple[Table, ...]:
    """The same with the caller's cursor."""
    if tables is not None and not tables:
        return ()
    condition = _condition(source, tables)

    def ask(query: str) -> list[tuple[Any, ...]]:
        return cursor.execute(f"FROM {relation(query.format(filter=condition))}").fetchall()

    columns: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for schema, name, *described in ask(_COLUMNS):
        columns[schema, name].append(_column(*described))
    keys = _keys(ask(_KEYS))
    return tuple(
        Table(
            name=TableName(schema, name),
            kind="view" if kind == "VIEW" else "table",
            columns=tuple(columns[schema, name]),
            keys=tuple(keys[schema, name]),
            rows=None if rows is None or kind == "VIEW" else int(rows),
            bytes=None if size is None or kind == "VIEW" else int(size),
            clustered=_clustered(keys[schema, name]),
            comment=comment if comment and comment != "VIEW" else None,
        )
        for schema, name, kind, rows, size, comment in ask(_TABLES)
    )


def server(cursor: duckdb.DuckDBPyConnection) -> Server:
    """What is at the other end."""
    row = cursor.execute(f"FROM {relation('SELECT VERSION() AS v')}").fetchone()
    return Server(str(row[0]) if row else "")


def _condition(source: Source, tables: Sequence[TableName] | None) -> str:
    if tables is not None:
        each = (
            f"(t.TABLE_SCHEMA = {literal(name.schema)} AND t.TABLE_NAME = {literal(name.name)})"
            for name in tables
        )
        return f"({' OR '.join(each)})"
    if source.database:
        return f"t.TABLE_SCHEMA = {literal(source.database)}"
    return f"t.TABLE_SCHEMA NOT IN ({', '.join(map(literal, _SYSTEM))})"


def _column(
    name: str,
    declared: str,
    kind: str,
    nullable: str,
    extra: str,
    length: str | None,
    precision: str | None,
    scale: str | None,
    comment: str | None,
) -> Column:
    decimal = kind.lower() == "decimal"
    return Column(
        name=name,
        type=declared,
        nullable=nullable == "YES",
        generated="GENERATED" in extra.upper() and "DEFAULT_GENERATED" not in extra.upper(),
        hidden="INVISIBLE" in extra.upper(),
        length=None if length is None else int(length),
        precision=int(precision) if decimal and precision else None,
        scale=int(scale) if decimal and scale else None,
        comment=comment or None,
    )


def _keys(rows: Sequence[tuple[Any, ...]]) -> dict[tuple[str, str], list[Key]]:
    columns: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    partial = set()
    for schema, table, index, column, prefix in rows:
        # A key over an expression has no column; one over a prefix says nothing of the whole.
        if column is None or prefix is not None:
            partial.add((schema, table, index))
        columns[schema, table, index].append(column)
    keys: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for (schema, table, index), names in columns.items():
        if (schema, table, index) not in partial:
            keys[schema, table].append(Key(index, tuple(names), primary=index == "PRIMARY"))
    for found in keys.values():
        found.sort(key=lambda key: (not key.primary, key.name))
    return keys


def _clustered(keys: Sequence[Key]) -> tuple[str, ...]:
    """InnoDB keeps the rows in the order of the primary key."""
    return next((key.columns for key in keys if key.primary), ())
