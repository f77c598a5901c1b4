"""What is in a SQL Server database: five queries, whatever the number of tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.catalog.mssql_connection import Server, rows

# A statement takes 2,100 parameters, two for each name.
_MOST_NAMES = 500


def quote(identifier: str) -> str:
    """`[orders]`; a name that holds a bracket in double quotes, which every server reads alike."""
    if "]" in identifier:
        return '"' + identifier.replace('"', '""') + '"'
    return f"[{identifier}]"


def quote_table(table: TableName) -> str:
    """`[schema].[name]`."""
    return f"{quote(table.schema)}.{quote(table.name)}"


def read_catalog(
    connection: Any, server: Server, tables: Sequence[TableName] | None = None
) -> tuple[Table, ...]:
    """Tables and views the login may see, ordered by name.

    Args:
        connection: an open connection to the database.
        server: what it is connected to.
        tables: only these; names are compared as the server's collation does.
    """
    objects = _objects(connection, server, tables)
    if not objects:
        return ()
    only = "" if tables is None else f"AND o.object_id IN ({','.join(str(o[3]) for o in objects)})"
    # Babelfish builds clustered indexes as ordinary ones; slicing by the primary key suits it.
    clustered = "i.is_primary_key = 1" if server.babelfish else "i.type = 1"
    parts = _Parts(
        columns=_grouped(rows(connection, _COLUMNS.format(only=only))),
        keys=_grouped(rows(connection, _KEYS.format(only=only, clustered=clustered))),
        types={number: name for name, number in rows(connection, _TYPES)},
        comments={(a, b): text for a, b, text in rows(connection, _COMMENTS.format(only=only))},
    )
    return tuple(sorted((_table(row, parts) for row in objects), key=lambda table: table.name))


def _objects(connection: Any, server: Server, tables: Sequence[TableName] | None) -> list[Any]:
    sql = _OBJECTS.format(bytes="CAST(NULL AS bigint)" if server.babelfish else _ALLOCATED)
    if tables is None:
        return rows(connection, sql)
    found: list[Any] = []
    for batch in (tables[i : i + _MOST_NAMES] for i in range(0, len(tables), _MOST_NAMES)):
        names = " OR ".join(["(s.name = ? AND o.name = ?)"] * len(batch))
        values = [part for table in batch for part in (table.schema, table.name)]
        found += rows(connection, f"{sql} AND ({names})", *values)
    return found


# allocation_units hang off partitions by hobt_id (in-row, overflow) or partition_id (LOB).
_ALLOCATED = """(
    SELECT SUM(a.used_pages) * 8192 FROM sys.partitions p
    JOIN sys.allocation_units a ON a.container_id = CASE a.type WHEN 2 THEN p.partition_id
                                                                ELSE p.hobt_id END
    WHERE p.object_id = o.object_id AND p.index_id IN (0, 1))"""

# Names are nvarchar already on SQL Server; Babelfish sends them in a code page unless asked.
_OBJECTS = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)), RTRIM(o.type), o.object_id,
       (SELECT SUM(p.rows) FROM sys.partitions p
        WHERE p.object_id = o.object_id AND p.index_id IN (0, 1)),
       {bytes}
FROM sys.objects o
JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0
  AND s.name NOT IN ('sys', 'INFORMATION_SCHEMA')
"""

_COLUMNS = """
SELECT c.object_id, c.column_id, CAST(c.name AS nvarchar(128)), c.system_type_id, c.user_type_id,
       c.max_length, c.precision, c.scale, c.is_nullable,
       CASE WHEN c.is_computed = 1 OR c.generated_always_type > 0 THEN 1 ELSE 0 END, c.is_hidden
FROM sys.columns c
JOIN sys.objects o ON o.object_id = c.object_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 {only}
ORDER BY c.object_id, c.column_id
"""

_TYPES = "SELECT name, user_type_id FROM sys.types"

_COMMENTS = """
SELECT e.major_id, e.minor_id, CAST(e.value AS nvarchar(4000))
FROM sys.extended_properties e
JOIN sys.objects o ON o.object_id = e.major_id
WHERE e.class = 1 AND e.name = 'MS_Description' {only}
"""

_KEYS = """
SELECT i.object_id, CAST(i.name AS nvarchar(128)), i.is_primary_key, i.is_unique_constraint,
       CASE WHEN {clustered} THEN 1 ELSE 0 END, CAST(c.name AS nvarchar(128))
FROM sys.indexes i
JOIN sys.objects o ON o.object_id = i.object_id
JOIN sys.index_columns x ON x.object_id = i.object_id AND x.index_id = i.index_id
JOIN sys.columns c ON c.object_id = x.object_id AND c.column_id = x.column_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 AND x.key_ordinal > 0
  AND (i.is_primary_key = 1 OR i.is_unique_constraint = 1 OR i.type = 1) {only}
ORDER BY i.object_id, i.index_id, x.key_ordinal
"""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the queries found: by object id, by type id, by (object id, column id or 0)."""

    columns: Mapping[int, list[Any]]
    keys: Mapping[int, list[Any]]
    types: Mapping[int, str]
    comments: Mapping[tuple[int, int], str]


def _grouped(found: Sequence[Any]) -> Mapping[int, list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for row in found:
        groups[row[0]].append(tuple(row)[1:])
    return groups


def _table(row: Any, parts: _Parts) -> Table:
    schema, name, kind, number, count, size = row
    indexes = _indexes(parts.keys.get(number, []))
    return Table(
        name=TableName(schema, name),
        kind="table" if kind == "U" else "view",
        columns=tuple(_column(number, row, parts) for row in parts.columns.get(number, [])),
        keys=tuple(
            Key(index.name, index.columns, index.primary)
            for index in sorted(indexes, key=lambda index: not index.primary)
            if index.primary or index.unique
        ),
        # Babelfish says -1 of a table it never analysed.
        rows=count if kind == "U" and count is not None and count >= 0 else None,
        bytes=size if kind == "U" else None,
        clustered=next((index.columns for index in indexes if index.clustered), ()),
        comment=parts.comments.get((number, 0)),
    )


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    primary: bool
    unique: bool
    clustered: bool
    columns: tuple[str, ...]


def _indexes(found: Sequence[Any]) -> list[_Index]:
    columns: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for *index, column in found:
        columns[tuple(index)].append(column)
    return [
        _Index(name, bool(primary), bool(unique), bool(clustered), tuple(names))
        for (name, primary, unique, clustered), names in columns.items()
    ]


def _column(table: int, row: Any, parts: _Parts) -> Column:
    number, name, system, user, max_length, precision, scale, nullable, generated, hidden = row
    # An alias type is shown as its base type. CLR types (hierarchyid, geometry, one's own)
    # have no base in sys.types: their own name stays.
    base = parts.types.get(system) or parts.types.get(user, "unknown")
    base = _STANDARD.get(base, base)
    length = _length(base, max_length)
    exact = base in {"decimal", "numeric"}
    fraction = scale if exact or base in _FRACTIONS else None
    return Column(
        name=name,
        type=_type(base, length, precision, fraction),
        nullable=bool(nullable),
        generated=bool(generated),
        hidden=bool(hidden),
        length=length,
        precision=precision if exact else None,
        scale=fraction,
        comment=parts.comments.get((table, number)),
    )


# Names of sys.types that have a clearer or a more basic one.
_STANDARD = {"timestamp": "rowversion", "sysname": "nvarchar"}
_FRACTIONS = {"time", "datetime2", "datetimeoffset"}
_WIDE = {"nchar", "nvarchar"}
_SIZED = {"char", "varchar", "binary", "varbinary", *_WIDE}


def _length(base: str, max_length: int) -> int | None:
    """Characters of a text type, bytes of a binary one; None for (max) and unsized types."""
    if base not in _SIZED or max_length < 0:
        return None
    return max_length // 2 if base in _WIDE else max_length


def _type(base: str, length: int | None, precision: int, fraction: int | None) -> str:
    if base in _SIZED:
        return f"{base}({'max' if length is None else length})"
    if base in {"decimal", "numeric"}:
        return f"{base}({precision},{fraction})"
    return base if fraction is None else f"{base}({fraction})"
