"""What is in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, cast

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.catalog.source import Source
from duckherd.catalog.sqlite_connection import SCHEMA, session

_COLUMNS = """
SELECT m.name, m.type, x.name, x.type, x."notnull", x.pk, x.hidden
FROM sqlite_master m JOIN pragma_table_xinfo(m.name) x
WHERE m.type = ? AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' {filter}
ORDER BY m.name, x.cid
"""

_UNIQUE = """
SELECT m.name, l.name, i.name
FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i
WHERE m.type = 'table' AND l."unique" AND NOT l.partial AND l.origin <> 'pk' {filter}
ORDER BY m.name, l.name, i.seqno
"""

Row = tuple[Any, ...]


def catalog(source: Source, tables: Sequence[TableName] | None = None) -> tuple[Table, ...]:
    """Tables and views of the file, ordered by name; its schema is called `main`."""
    with session(source) as connection:
        return describe(connection, tables)


def describe(
    connection: sqlite3.Connection, tables: Sequence[TableName] | None = None
) -> tuple[Table, ...]:
    """The same inside the caller's transaction."""
    names = None if tables is None else [name.name for name in tables if name.schema == SCHEMA]
    rows = [*_columns(connection, "table", names), *_columns(connection, "view", names)]
    unique = _unique(connection, names)
    shadows = _shadows(connection)
    estimates = _estimates(connection)
    found = [
        _table(name, kind, list(group), unique[name], estimates.get(name))
        for (name, kind), group in groupby(rows, key=itemgetter(0, 1))
        if name not in shadows
    ]
    return tuple(sorted(found, key=lambda table: table.name))


def _filtered(query: str, names: Sequence[str] | None) -> tuple[str, list[str]]:
    if names is None:
        return query.format(filter=""), []
    marks = ", ".join("?" * len(names))
    return query.format(filter=f"AND m.name IN ({marks})"), list(names)


def _columns(
    connection: sqlite3.Connection, kind: str, names: Sequence[str] | None
) -> Iterable[Row]:
    query, values = _filtered(_COLUMNS, names)
    try:
        return connection.execute(query, (kind, *values)).fetchall()
    except sqlite3.OperationalError:
        if names is not None and len(names) < 2:
            raise
    # One view of a dropped table makes the whole query fail: ask one by one, show the broken
    # view without columns, and let its own run say what is wrong.
    every = connection.execute("SELECT name FROM sqlite_master WHERE type = ?", (kind,)).fetchall()
    rows: list[Row] = []
    for (name,) in every:
        if names is None or name in names:
            try:
                rows += _columns(connection, kind, [name])
            except sqlite3.OperationalError:
                rows.append((name, kind, None, None, None, None, None))
    return sorted(rows, key=itemgetter(0))


def _unique(
    connection: sqlite3.Connection, names: Sequence[str] | None
) -> dict[str, dict[str, list[str | None]]]:
    query, values = _filtered(_UNIQUE, names)
    found: dict[str, dict[str, list[str | None]]] = defaultdict(lambda: defaultdict(list))
    for table, index, column in connection.execute(query, values):
        found[table][index].append(column)
    return found


def _shadows(connection: sqlite3.Connection) -> set[str]:
    """Tables in which a virtual table keeps its data; older SQLite cannot tell them."""
    if sqlite3.sqlite_version_info < (3, 37):
        return set()
    query = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'"
    return {name for (name,) in connection.execute(query)}


def _estimates(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows as the last ANALYZE counted them."""
    analysed = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"
    if connection.execute(analysed).fetchone() is None:
        return {}
    rows = connection.execute("SELECT tbl, stat FROM sqlite_stat1").fetchall()
    return {
        table: int(stat.split()[0])
        for table, stat in rows
        if stat and stat.split()[:1] and stat.split()[0].isdigit()
    }


def _table(
    name: str, kind: str, rows: list[Row], unique: dict[str, list[str | None]], estimate: int | None
) -> Table:
    described = [row for row in rows if row[2] is not None]
    primary = [row[2] for row in sorted(described, key=itemgetter(5)) if row[5]]
    keys = [Key("primary key", tuple(primary), primary=True)] if primary else []
    for index, columns in unique.items():
        # An index over an expression has no column name.
        if all(columns):
            keys.append(Key(index, cast("tuple[str, ...]", tuple(columns)), primary=False))
    return Table(
        name=TableName(SCHEMA, name),
        kind=cast('Literal["table", "view"]', kind),
        columns=tuple(_column(row) for row in described),
        keys=tuple(keys),
        rows=estimate,
    )


def _column(row: Row) -> Column:
    _, _, name, declared, not_null, _, hidden = row
    return Column(
        name=name,
        type=declared,
        nullable=not not_null,
        generated=hidden in {2, 3},
        hidden=hidden == 1,
    )
