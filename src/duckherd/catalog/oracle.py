"""What is in an Oracle database: four queries over the ALL_ views, however many tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import oracledb

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.catalog.source import Source
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)

# Numbers of "Database Error Messages"; only the transient ones are worth another try.
_UNREACHABLE = {1012, 1033, 1034, 1089, 3113, 3114, 3135, 12170, 12514, 12537, 12541, 12545, 12547}
_BUSY = {54, 60, 1555, 4021, 8177, 30006}
_DENIED = {1017, 1031, 1045, 28000, 28001, 41900}
_MISSING = {942, 4043}
# The driver's own: not connected (any more), closed by the other end, all ways not to connect.
_LOST = ("DPY-1001", "DPY-4011", "DPY-6")


@contextmanager
def connect(source: Source, *, statement_timeout: float | None = None) -> Iterator[Any]:
    """A connection in thin mode, closed at the end; LOBs arrive as values.

    The path of the URL is the service name. Raises SourceUnreachable, SourceDenied or
    SourceError; no message holds the password.
    """
    try:
        connection = oracledb.connect(
            user=source.user,
            password=source.password,
            host=source.host,
            port=source.port or 1521,
            service_name=source.database,
            **_options(source),
        )
    except oracledb.Error as error:
        raise _told(error, f"{source} cannot be opened by user {source.user!r}") from None
    try:
        if statement_timeout:
            connection.call_timeout = round(statement_timeout * 1000)
        yield connection
    finally:
        connection.close()


def _options(source: Source) -> dict[str, str]:
    for name in source.options:
        if name not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise SourceError(f"unknown option {name!r} in the source URL; known are {known}")
    return dict(source.options)


_OPTIONS = {"wallet_location", "wallet_password", "config_dir", "protocol", "ssl_server_cert_dn"}


def rows(connection: Any, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
    """All rows of a small result, in the error tree."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, list(parameters))
            return cursor.fetchall() if cursor.description else []
    except oracledb.Error as error:
        raise raised(error) from None


def raised(error: Exception) -> SourceError:
    """The error tree's form of an error of a statement."""
    return _told(error, "Oracle answered")


def _told(error: Exception, what: str) -> SourceError:
    details = error.args[0] if error.args else None
    return classify(getattr(details, "code", 0), f"{what}: {str(error).splitlines()[0]}")


def classify(code: int, message: str) -> SourceError:
    """An error by its ORA or DPY number; a DPY number is the driver's, where no server answered."""
    if code in _UNREACHABLE or any(number in message for number in _LOST):
        return SourceUnreachable(message, hint="is the listener up, are host and port right?")
    if code in _BUSY or "DPY-4024" in message:
        return SourceBusy(message, hint="try again, or raise limits.statement_timeout")
    if code in _DENIED:
        return SourceDenied(message, hint="GRANT SELECT ON schema.table TO user")
    if code in _MISSING:
        return TableNotFound(message, hint="see what there is: duckherd sync")
    return SourceError(message)


def quote(identifier: str) -> str:
    """`"ORDERS"`. Raises SourceError for a double quote, which no Oracle name can hold."""
    if '"' in identifier or "\0" in identifier:
        raise SourceError(f"{identifier!r} cannot be a name in Oracle: it holds a double quote")
    return f'"{identifier}"'


def quote_table(table: TableName) -> str:
    """`"SCHEMA"."NAME"`."""
    return f"{quote(table.schema)}.{quote(table.name)}"


_SCHEMAS = "SELECT username FROM all_users WHERE oracle_maintained = 'N'"

_OBJECTS = f"""
SELECT t.owner, t.table_name, 'table', t.num_rows, t.num_rows * t.avg_row_len
FROM all_tables t
WHERE t.owner IN ({_SCHEMAS}) AND t.nested = 'NO' AND t.secondary = 'N' AND t.dropped = 'NO'
  AND (t.iot_type IS NULL OR t.iot_type = 'IOT') {{t}}
UNION ALL
SELECT v.owner, v.view_name, 'view', NULL, NULL FROM all_views v
WHERE v.owner IN ({_SCHEMAS}) {{v}}
"""

_COLUMNS = f"""
SELECT c.owner, c.table_name, c.column_name, c.data_type, c.char_length, c.data_length,
       c.char_used, c.data_precision, c.data_scale, c.nullable, c.virtual_column, c.hidden_column
FROM all_tab_cols c
WHERE c.owner IN ({_SCHEMAS}) AND c.user_generated = 'YES' {{c}}
ORDER BY c.owner, c.table_name, c.internal_column_id
"""

_KEYS = f"""
SELECT k.owner, k.table_name, k.constraint_name, k.constraint_type, x.column_name
FROM all_constraints k
JOIN all_cons_columns x ON x.owner = k.owner AND x.constraint_name = k.constraint_name
WHERE k.owner IN ({_SCHEMAS}) AND k.constraint_type IN ('P', 'U') AND k.status = 'ENABLED' {{k}}
ORDER BY k.owner, k.table_name, k.constraint_type, k.constraint_name, x.position
"""

_COMMENTS = f"""
SELECT m.owner, m.table_name, m.column_name, m.comments FROM all_col_comments m
WHERE m.owner IN ({_SCHEMAS}) AND m.comments IS NOT NULL {{m}}
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """A catalog query with its bind values."""

    sql: str
    parameters: tuple[str, ...]


def statements(tables: Sequence[TableName] | None) -> tuple[Statement, ...]:
    """The four queries: objects, columns, keys, comments."""
    found = []
    for sql in (_OBJECTS, _COLUMNS, _KEYS, _COMMENTS):
        only: dict[str, str] = {}
        values: list[str] = []
        for alias in ("t", "v", "c", "k", "m"):
            if f"{{{alias}}}" not in sql:
                continue
            only[alias], some = _only(alias, tables, len(values))
            values += some
        found.append(Statement(sql.format(**only), tuple(values)))
    return tuple(found)


def _only(alias: str, tables: Sequence[TableName] | None, used: int) -> tuple[str, list[str]]:
    if tables is None or len(tables) > 100:
        return "", []
    name = "view_name" if alias == "v" else "table_name"
    pairs = ", ".join(f"(:{used + 2 * n + 1}, :{used + 2 * n + 2})" for n in range(len(tables)))
    values = [part for table in tables for part in (table.schema, table.name)]
    return f"AND ({alias}.owner, {alias}.{name}) IN ({pairs})", values


def read_catalog(connection: Any, tables: Sequence[TableName] | None = None) -> tuple[Table, ...]:
    """Tables and views the user may see, the database's own left out, ordered by name."""
    if tables is not None and not tables:
        return ()
    results = [rows(connection, s.sql, s.parameters) for s in statements(tables)]
    found = tables_of(*results)
    wanted = None if tables is None else set(tables)
    return tuple(table for table in found if wanted is None or table.name in wanted)


def tables_of(
    objects: Sequence[Any], columns: Sequence[Any], keys: Sequence[Any], comments: Sequence[Any]
) -> tuple[Table, ...]:
    """Records of the four results, ordered by name."""
    by_table = _grouped(columns)
    keys_by_table = _grouped(keys)
    texts = {(owner, table, column): text for owner, table, column, text in comments}
    found = [
        Table(
            name=TableName(owner, name),
            kind=kind,
            columns=tuple(
                _column(fields, texts.get((owner, name, fields[0])))
                for fields in by_table[owner, name]
            ),
            keys=_keys(keys_by_table[owner, name]),
            rows=None if count is None else int(count),
            bytes=None if size is None else int(size),
        )
        for owner, name, kind, count, size in objects
    ]
    return tuple(sorted(found, key=lambda table: table.name))


def _grouped(found: Sequence[Any]) -> Mapping[tuple[str, str], list[Any]]:
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for owner, table, *fields in found:
        groups[owner, table].append(fields)
    return groups


def _keys(found: Sequence[Any]) -> tuple[Key, ...]:
    columns: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for name, kind, column in found:
        columns[name, kind == "P"].append(column)
    return tuple(Key(name, tuple(names), primary) for (name, primary), names in columns.items())


def _column(fields: Sequence[Any], comment: str | None) -> Column:
    name, kind, chars, size, used, precision, scale, nullable, virtual, hidden = fields
    return Column(
        name=name,
        type=_type(kind, chars, size, used, precision, scale),
        nullable=nullable == "Y",
        generated=virtual == "YES",
        hidden=hidden == "YES",
        length=(chars or size) if kind in _SIZED else None,
        precision=precision if kind == "NUMBER" else None,
        scale=scale if kind == "NUMBER" else None,
        comment=comment,
    )


_SIZED = {"CHAR", "VARCHAR2", "NCHAR", "NVARCHAR2", "RAW"}


def _type(
    kind: str, chars: int, size: int, used: str | None, precision: int | None, scale: int | None
) -> str:
    """`VARCHAR2(20 CHAR)`, `NUMBER(10,2)`, `NUMBER`, `TIMESTAMP(6) WITH TIME ZONE`, ..."""
    if kind == "RAW":
        return f"RAW({size})"
    if kind in _SIZED:
        unit = " CHAR" if used == "C" and not kind.startswith("N") else ""
        return f"{kind}({chars}{unit})"
    if kind == "NUMBER" and (precision is not None or scale is not None):
        return f"NUMBER({'*' if precision is None else precision},{scale or 0})"
    if kind == "FLOAT":
        return f"FLOAT({precision})"
    return kind
