"""How wide a `numeric` without precision is carried: as its values need it.

DECIMAL(38,18) holds money and most averages, and costs nothing to find out. Where a
value does not fit, all values are measured and the 38 digits divided as they need it.
Once published, a shape stays as long as the values fit it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb

from duckherd.catalog.postgres import PgTable
from duckherd.catalog.postgres_connection import relation
from duckherd.errors import ValueNotCarried
from duckherd.extract.postgres_types import OPEN_SHAPE, quote
from duckherd.extract.projection import Projected
from duckherd.extract.rules import ColumnRule

Shape = tuple[int, int]
"""Precision and scale of a DECIMAL."""

_MOST_DIGITS = 38


class DoesNotFit(Exception):
    """A value of a number without precision is outside the shape it was to be carried in."""

    def __init__(self, error: ValueNotCarried) -> None:
        super().__init__(error.message)
        self.error = error


def open_numbers(
    described: PgTable, columns: Sequence[Projected], rules: Mapping[str, ColumnRule]
) -> tuple[str, ...]:
    """Columns carried as numbers whose type does not tell how many digits there are."""
    found = []
    for projected in columns:
        column = projected.column
        kind = described.types[column.name]
        is_open = kind.builtin and kind.name == "numeric" and column.precision is None
        rule = rules.get(column.name)
        if is_open and not projected.masked and (rule is None or rule.as_ is None):
            found.append(column.name)
    return tuple(found)


def published_shapes(names: Sequence[str], published: Mapping[str, str]) -> dict[str, Shape]:
    """Shapes the lake has of these columns; none where it has them as something else."""
    found = {}
    for name in names:
        match = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", published.get(name, ""))
        if match is not None:
            found[name] = (int(match[1]), int(match[2]))
    return found


def measured_shapes(
    cursor: duckdb.DuckDBPyConnection, described: PgTable, names: Sequence[str], where: str
) -> dict[str, Shape]:
    """The shape that fits all values of each column; the widest possible where none does."""
    parts = []
    for number, column in enumerate(names):
        name = quote(column)
        # Neither NaN nor an infinity is zero when taken from itself.
        finite = f"FILTER (WHERE {name} - {name} = 0)"
        whole = f"pg_catalog.abs(pg_catalog.trunc({name}))"
        # Zeros at the end are no digits to keep; trim_scale() came with PostgreSQL 13.
        fraction = f"pg_catalog.rtrim(({name} - pg_catalog.trunc({name}))::text, '0')"
        after = f"pg_catalog.length(pg_catalog.split_part({fraction}, '.', 2))"
        parts.append(
            f"pg_catalog.length((max({whole}) {finite})::text) AS whole_{number}, "
            f"max({after}) {finite} AS after_{number}"
        )
    table = described.table.name
    source = f"{quote(table.schema)}.{quote(table.name)}{where}"
    sql = f"SELECT {', '.join(parts)} FROM {source}"
    row = cursor.execute(f"FROM {relation(sql)}").fetchone()
    digits = list(row or ())
    return {
        name: shape(digits[2 * number] or 0, digits[2 * number + 1] or 0)
        for number, name in enumerate(names)
    }


def shape(whole: int, after: int) -> Shape:
    """The DECIMAL of numbers with that many digits before and after the point.

    What is left of the 38 digits is shared by both sides, for values yet to come. Where
    38 digits are not enough, the guard of the read names the value.
    """
    precision, scale = OPEN_SHAPE
    if whole <= precision - scale and after <= scale:
        return OPEN_SHAPE
    spare = max(0, _MOST_DIGITS - whole - after)
    return _MOST_DIGITS, min(_MOST_DIGITS, after + spare // 2)
