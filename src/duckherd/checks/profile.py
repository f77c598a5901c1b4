"""What a table holds, column by column, from one scan in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from duckherd.checks import sql
from duckherd.checks.engine import Files, Resources, opened
from duckherd.extract.model import SpoolColumn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FEW = 12
"""A text column with at most as many different values is taken for a set of words."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Figures of one column.

    Attributes:
        nulls: rows that are NULL.
        distinct: different values, estimated (HyperLogLog, some percent off).
        negative: whether a number below zero occurs; None for other types.
        values: all different texts where there are at most `FEW`, sorted; else empty.
    """

    column: SpoolColumn
    nulls: int
    distinct: int
    negative: bool | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """Figures of one table."""

    rows: int
    columns: tuple[ColumnProfile, ...]


def profile(
    files: Files, columns: Sequence[SpoolColumn], resources: Resources | None = None
) -> Profile:
    """Scan Parquet files once."""
    with opened(files, {}, resources or Resources()) as connection:
        return _profile(connection, columns)


def _profile(connection: DuckDBPyConnection, columns: Sequence[SpoolColumn]) -> Profile:
    measures = ["count(*)"]
    for column in columns:
        measures += _measures(column)
    rows, *figures = connection.execute(f"select {', '.join(measures)} from this").fetchall()[0]
    each = iter(figures)
    return Profile(
        rows,
        tuple(
            _column(column, rows, (next(each), next(each), next(each), next(each)))
            for column in columns
        ),
    )


def _measures(column: SpoolColumn) -> list[str]:
    name = sql.identifier(column.name)
    # Counting the most frequent values costs nothing to speak of and is exact where
    # there are no more different ones than are counted.
    frequent = f"approx_top_k({name}, {FEW + 1})" if column.type == "VARCHAR" else "null"
    negative = f"coalesce(min({name}) < 0, false)" if _is_number(column.type) else "null"
    return [f"count({name})", f"approx_count_distinct({name})", negative, frequent]


def _column(
    column: SpoolColumn, rows: int, figures: tuple[int, int, bool | None, list[str] | None]
) -> ColumnProfile:
    known, distinct, negative, frequent = figures
    values = tuple(sorted(frequent)) if frequent and len(frequent) <= FEW else ()
    return ColumnProfile(column, rows - known, distinct, negative, values)


def _is_number(type_: str) -> bool:
    return sql.is_integer(type_) or type_.startswith("DECIMAL") or type_ in {"FLOAT", "DOUBLE"}
