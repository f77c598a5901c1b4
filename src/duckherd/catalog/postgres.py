"""What is in a PostgreSQL database, in one query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.catalog.postgres_connection import literal, relation, session
from duckherd.catalog.source import Source

# Domains are resolved to what they are made of; everything else is read as it stands.
_QUERY = """
WITH RECURSIVE domain(oid, base, modifier) AS (
  SELECT oid, typbasetype, typtypmod FROM pg_catalog.pg_type WHERE typtype = 'd'
  UNION ALL
  SELECT d.oid, t.typbasetype, greatest(d.modifier, t.typtypmod)
  FROM domain d JOIN pg_catalog.pg_type t ON t.oid = d.base WHERE t.typtype = 'd'
), base AS (
  SELECT d.* FROM domain d JOIN pg_catalog.pg_type t ON t.oid = d.base WHERE t.typtype <> 'd'
)
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
  c.reltuples::float8 AS rows,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid)
       WHEN c.relkind = 'p' THEN parts.bytes END AS bytes,
  pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
  coalesce((
    SELECT json_agg(json_build_object(
      'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'nullable', NOT a.attnotnull, 'generated', to_jsonb(a) ->> 'attgenerated',
      'comment', pg_catalog.col_description(a.attrelid, a.attnum),
      'readable', pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'),
      'base', t.typname, 'base_schema', tn.nspname, 'kind', t.typtype,
      'modifier', coalesce(base.modifier, a.atttypmod), 'element', e.typname,
      'storage', a.attstorage
    ) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a
    LEFT JOIN base ON base.oid = a.atttypid
    JOIN pg_catalog.pg_type t ON t.oid = coalesce(base.base, a.atttypid)
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typlen = -1
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  )::text, '[]') AS columns,
  coalesce((
    SELECT json_agg(json_build_object(
      'name', i.relname, 'primary', x.indisprimary, 'clustered', x.indisclustered,
      'columns', (
        SELECT json_agg(a.attname ORDER BY k.position)
        FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE k.position <= x.indnkeyatts)
    ) ORDER BY x.indisprimary DESC, i.relname)
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid
      AND x.indpred IS NULL AND x.indexprs IS NULL
  )::text, '[]') AS keys,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS readable,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid)
       WHEN c.relkind = 'p' THEN parts.biggest
  END / pg_catalog.current_setting('block_size')::int8 AS pages,
  CASE WHEN c.reltoastrelid <> 0 THEN pg_catalog.pg_relation_size(c.reltoastrelid)
       ELSE coalesce(parts.toast, 0) END AS toast,
  pg_catalog.current_setting('block_size')::int8 AS block,
  pg_catalog.current_setting('server_version_num')::int4 AS version,
  pg_catalog.current_setting('server_encoding') AS encoding
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT sum(pg_catalog.pg_table_size(p.oid))::int8 AS bytes,
    max(pg_catalog.pg_relation_size(p.oid)) AS biggest,
    sum(pg_catalog.pg_relation_size(nullif(p.reltoastrelid, 0)))::int8 AS toast
  FROM pg_catalog.pg_partition_tree(CASE WHEN c.relkind = 'p' THEN c.oid END) t
  JOIN pg_catalog.pg_class p ON p.oid = t.relid
  WHERE t.isleaf
) parts ON c.relkind = 'p'
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%'
  AND {filter}
ORDER BY n.nspname, c.relname
"""

_KINDS: Mapping[str, Literal["table", "view"]] = {
    "r": "table",
    "p": "table",
    "f": "table",
    "v": "view",
    "m": "view",
}


@dataclass(frozen=True, slots=True)
class PgType:
    """A column's type with domains resolved.

    Attributes:
        name: as in pg_type, e.g. `numeric`, `_int4`, `mood`.
        builtin: whether it belongs to PostgreSQL itself.
        kind: pg_type.typtype: b base, e enum, c composite, r range, m multirange.
        modifier: pg_attribute.atttypmod, -1 for none.
        element: name of an array's element type.
    """

    name: str
    builtin: bool
    kind: str
    modifier: int
    element: str | None


@dataclass(frozen=True, slots=True)
class PgTable:
    """A table with what only the reader of PostgreSQL needs.

    Attributes:
        relkind: pg_class.relkind.
        readable: whether the user may read any of it.
        unreadable: columns the user may not read.
        pages: size in blocks; of the biggest partition where it is partitioned; None for
            views and foreign tables.
        toast: bytes of values kept out of line.
        wide: columns whose values may be kept out of line.
        version: of the server, e.g. 160004.
        encoding: of the database, e.g. `UTF8`.
    """

    table: Table
    relkind: str
    types: Mapping[str, PgType]
    readable: bool
    unreadable: tuple[str, ...]
    pages: int | None
    toast: int
    wide: tuple[str, ...]
    block_bytes: int
    version: int
    encoding: str


def catalog(source: Source, tables: Sequence[TableName] | None = None) -> tuple[Table, ...]:
    """Tables and views, ordered by name; partitions only where asked for by name."""
    with session(source) as cursor:
        return tuple(found.table for found in describe(cursor, tables))


def describe(
    cursor: duckdb.DuckDBPyConnection, tables: Sequence[TableName] | None = None
) -> tuple[PgTable, ...]:
    """The same with all a reader needs, inside the caller's transaction."""
    if tables is not None and not tables:
        return ()
    if tables is None:
        condition = "NOT c.relispartition"
    else:
        pairs = ", ".join(f"({literal(name.schema)}, {literal(name.name)})" for name in tables)
        condition = f"(n.nspname, c.relname) IN ({pairs})"
    rows = cursor.execute(f"FROM {relation(_QUERY.format(filter=condition))}").fetchall()
    return tuple(_table(*row) for row in rows)


def _table(
    schema: str,
    name: str,
    kind: str,
    rows: float | None,
    size: int | None,
    comment: str | None,
    columns: str,
    keys: str,
    readable: bool,
    pages: int | None,
    toast: int,
    *server: Any,
) -> PgTable:
    described: list[dict[str, Any]] = json.loads(columns)
    indexes: list[dict[str, Any]] = json.loads(keys)
    table = Table(
        name=TableName(schema, name),
        kind=_KINDS[kind],
        columns=tuple(_column(entry) for entry in described),
        keys=tuple(Key(key["name"], tuple(key["columns"]), key["primary"]) for key in indexes),
        # -1 means never analysed, which PostgreSQL before 14 wrote as 0 with no pages.
        rows=int(rows) if rows is not None and rows >= 0 and kind != "v" else None,
        bytes=size,
        clustered=next((tuple(key["columns"]) for key in indexes if key["clustered"]), ()),
        comment=comment,
    )
    return PgTable(
        table=table,
        relkind=kind,
        types={entry["name"]: _type(entry) for entry in described},
        readable=readable,
        unreadable=tuple(entry["name"] for entry in described if not entry["readable"]),
        pages=pages,
        toast=toast,
        wide=tuple(entry["name"] for entry in described if entry["storage"] != "p"),
        block_bytes=server[0],
        version=server[1],
        encoding=server[2],
    )


def _type(entry: Mapping[str, Any]) -> PgType:
    return PgType(
        name=entry["base"],
        builtin=entry["base_schema"] == "pg_catalog",
        kind=entry["kind"],
        modifier=entry["modifier"],
        element=entry["element"],
    )


def _column(entry: Mapping[str, Any]) -> Column:
    precision, scale = _numeric(entry["base"], entry["modifier"])
    return Column(
        name=entry["name"],
        type=entry["type"],
        nullable=entry["nullable"],
        generated=bool(entry["generated"]),
        length=_length(entry["base"], entry["modifier"]),
        precision=precision,
        scale=scale,
        comment=entry["comment"],
    )


def _numeric(base: str, modifier: int) -> tuple[int | None, int | None]:
    """Precision and scale out of a type modifier (src/backend/utils/adt/numeric.c)."""
    if base != "numeric" or modifier < 4:
        return None, None
    packed = modifier - 4
    return (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024


def _length(base: str, modifier: int) -> int | None:
    if base in {"varchar", "bpchar"} and modifier >= 4:
        return modifier - 4
    return modifier if base in {"bit", "varbit"} and modifier > 0 else None
