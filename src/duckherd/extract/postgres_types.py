"""PostgreSQL's types: how each travels exact. The reader's table is docs/types/postgresql.md."""

from __future__ import annotations

from collections.abc import Mapping

from duckherd.catalog.model import Column
from duckherd.catalog.postgres import PgType
from duckherd.extract.carried import guard
from duckherd.extract.projection import Carry

OPEN_SHAPE = (38, 18)
"""Precision and scale of a `numeric` without precision, as long as its values fit."""

MONEY_SCALE = 2
"""Digits of a currency of most locales; a value with more of them is refused."""

_PLAIN = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bytea", "uuid"}
)
_TEXTS = frozenset({"text", "varchar"})
# The scanner has no lists of bytea: it would hand on their literal.
_LISTED = _PLAIN - {"bytea"}
_UNCHANGED = {**dict.fromkeys({*_PLAIN, "date"} - _TEXTS, "{}"), "oid": "{}::int8"}

# Their text cast is what the database prints; for the others it is not always
# (inet gains a netmask, char(n) loses its blanks, boolean becomes a word).
_CAST_PRINTS = frozenset(
    {"text", "varchar", "json", "jsonb", "xml", "timetz", "interval", "bit", "varbit", "name"}
)

_INFINITE_TIMES = frozenset({"timestamp", "timestamptz"})

# DuckDB's timestamps end in 294247, PostgreSQL's in 294276; `infinity` is above both.
_LAST_TIMESTAMP = "294247-01-01"


def quote(identifier: str) -> str:
    """An identifier quoted for PostgreSQL."""
    return '"' + identifier.replace('"', '""') + '"'


class PostgresExpressions:
    """The select list of one table, by the resolved types of its columns."""

    def __init__(
        self,
        types: Mapping[str, PgType],
        *,
        verify_utf8: bool = False,
        shapes: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self._types = types
        self._verify_utf8 = verify_utf8
        self._shapes = shapes or {}

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def text(self, column: Column) -> str:
        name = quote(column.name)
        kind = self._types[column.name]
        if kind.builtin and kind.name in _CAST_PRINTS:
            return self._verified(name if kind.name in _TEXTS else f"{name}::text")
        # concat() calls the type's own output function.
        return self._verified(f"CASE WHEN {name} IS NOT NULL THEN pg_catalog.concat({name}) END")

    def _verified(self, text: str) -> str:
        """A database of encoding SQL_ASCII holds any bytes; the lake holds UTF-8."""
        if not self._verify_utf8:
            return text
        return f"pg_catalog.convert_from(pg_catalog.convert_to({text}, 'SQL_ASCII'), 'UTF8')"

    def sha256(self, text: str) -> str:
        return f"pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({text}, 'UTF8')), 'hex')"

    def last4(self, text: str) -> str:
        return (
            f"CASE WHEN pg_catalog.char_length({text}) > 4 "
            f"THEN '****' || pg_catalog.right({text}, 4) "
            f"WHEN {text} IS NOT NULL THEN '****' END"
        )

    def carry(self, column: Column, marker: str) -> Carry:
        name = quote(column.name)
        kind = self._types[column.name]
        if not kind.builtin or kind.kind != "b" or kind.name in _TEXTS:
            return Carry(self.text(column))
        if kind.name in _UNCHANGED:
            # DuckDB's dates reach further and know infinity; asking it costs PostgreSQL nothing.
            finite = guard("isfinite({c})", "{c}", "{c}", marker)
            spool = finite if kind.name == "date" else "{c}"
            return Carry(_UNCHANGED[kind.name].format(name), spool)
        if kind.name == "numeric":
            return self._numeric(column, marker)
        if kind.name == "money":
            exact = f"{name}::numeric = pg_catalog.round({name}::numeric, {MONEY_SCALE})"
            target = f"numeric(21,{MONEY_SCALE})"
            return Carry(guarded(exact, f"{name}::{target}", target, marker))
        condition, target = self._condition(name, kind)
        if condition is None:
            return Carry(self.text(column))
        return Carry(guarded(condition, name, target, marker))

    def _condition(self, name: str, kind: PgType) -> tuple[str | None, str]:
        """When a value can travel as it is, and the type's name; None for types carried as text."""
        if kind.name in _INFINITE_TIMES:
            return f"{name} < '{_LAST_TIMESTAMP}' AND {name} > '-infinity'", kind.name
        if kind.name == "time":
            return f"{name} < '24:00:00'", "time"
        # int2vector and oidvector tell an element too, and start at 0.
        if kind.element is not None and kind.name.startswith("_"):
            return _array_condition(name, kind.element), kind.name
        return None, kind.name

    def _numeric(self, column: Column, marker: str) -> Carry:
        name = quote(column.name)
        shape = self._shapes.get(column.name) or decimal_shape(column.precision, column.scale)
        if shape is None:
            return Carry(self.text(column))
        precision, scale = shape
        target = f"numeric({precision},{scale})"
        if (precision, scale) == (column.precision, column.scale):
            # An infinity does not pass a declared precision, NaN does.
            # The cast gives a domain its base type's precision and costs nothing otherwise.
            return Carry(guarded(f"{name} <> 'NaN'", f"{name}::{target}", target, marker))
        condition = (
            f"{name} = pg_catalog.round({name}, {scale}) "
            f"AND pg_catalog.abs({name}) < 1e{precision - scale}"
        )
        return Carry(guarded(condition, f"{name}::{target}", target, marker))


def guarded(condition: str, value: str, target: str, marker: str) -> str:
    """The value where the condition holds; else a cast that fails and quotes marker and value."""
    name = value.partition("::")[0]
    return f"CASE WHEN {condition} THEN {value} ELSE ('{marker}' || {name}::text)::{target} END"


def _array_condition(name: str, element: str) -> str | None:
    """Lists have one dimension that starts at 1; other arrays have no counterpart."""
    one = (
        f"pg_catalog.array_ndims({name}) IS NULL OR "
        f"(pg_catalog.array_ndims({name}) = 1 AND pg_catalog.array_lower({name}, 1) = 1)"
    )
    if element in _LISTED:
        return one
    if element in _INFINITE_TIMES:
        return (
            f"({one}) AND NOT coalesce('{_LAST_TIMESTAMP}' <= ANY ({name}), false) "
            f"AND NOT coalesce('-infinity' = ANY ({name}), false)"
        )
    return None


def decimal_shape(precision: int | None, scale: int | None) -> tuple[int, int] | None:
    """Precision and scale of the DECIMAL that holds a numeric; None where only text does.

    Past 38 digits the type stays a DECIMAL of 38 as long as its scale leaves room: the
    values decide, one by one.
    """
    if precision is None or scale is None:
        return OPEN_SHAPE
    if scale < 0:
        return min(38, precision - scale), 0
    if scale > precision:
        return (scale, scale) if scale <= 38 else None
    if precision <= 38:
        return precision, scale
    return (38, scale) if scale <= 38 else None
