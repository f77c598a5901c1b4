"""What the footers of Parquet files prove, so that no value has to be read for it.

A footer tells for each column of each row group how many values are NULL, and the least
and the greatest. Nulls are counted by it, and a range that holds both extremes holds all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from duckherd.checks import sql
from duckherd.checks.compile import Known, subjects
from duckherd.checks.kinds import DistinctCount, NotNull, NullRatio, Range, Unique
from duckherd.checks.vocabulary import Check
from duckherd.extract.model import SpoolColumn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Footer:
    """One column over all files.

    Attributes:
        type: DuckDB type, as the files have it.
        nulls: rows that are NULL; None where a file does not tell.
        least, greatest: as text; None where a file does not tell, or there is no value.
    """

    type: str
    nulls: int | None
    least: str | None
    greatest: str | None


def known(
    connection: DuckDBPyConnection,
    files: Sequence[str | os.PathLike[str]],
    checks: Sequence[Check],
    columns: Iterable[SpoolColumn],
) -> Known:
    """What the footers of `files`, the view `this`, tell of what `checks` ask."""
    asked = tuple(_asked(checks))
    if not asked:
        return Known()
    types = {column.name: column.type for column in columns}
    footers = {
        name: footer
        for name, footer in _read(connection, files, tuple(dict.fromkeys(asked))).items()
        if footer.type == types.get(name)
    }
    spans = {
        name: (int(footer.least), int(footer.greatest))
        for name, footer in footers.items()
        if sql.is_integer(footer.type) and footer.least and footer.greatest
    }
    return Known(spans, dict(_counts(connection, checks, footers)))


def _asked(checks: Iterable[Check]) -> Iterator[str]:
    for check in checks:
        if isinstance(check.options, NotNull | NullRatio | Range | Unique | DistinctCount):
            for names in subjects(check.options):
                yield from names


def _counts(
    connection: DuckDBPyConnection, checks: Iterable[Check], footers: Mapping[str, Footer]
) -> Iterator[tuple[str, int]]:
    for check in checks:
        for subject in subjects(check.options):
            footer = footers.get(subject[0]) if subject else None
            if footer is None:
                continue
            if isinstance(check.options, NotNull | NullRatio) and footer.nulls is not None:
                yield sql.is_null(subject[0]), footer.nulls
            if isinstance(check.options, Range) and _holds(connection, check.options, footer):
                yield str(sql.fails_when(check.options, subject[0], footer.type)), 0


def _holds(connection: DuckDBPyConnection, options: Range, footer: Footer) -> bool:
    """Whether both extremes lie in the range, compared as each value would be."""
    import duckdb

    if footer.least is None or footer.greatest is None:
        return False
    extremes = (
        sql.outside(f"cast({sql.text(extreme)} as {footer.type})", options, footer.type)
        for extreme in (footer.least, footer.greatest)
    )
    # A bound that is none of the column's type is told by the scan.
    with contextlib.suppress(duckdb.Error):
        query = f"select {' or '.join(f'({extreme})' for extreme in extremes)}"
        return connection.execute(query).fetchall() == [(False,)]
    return False


def _read(
    connection: DuckDBPyConnection,
    files: Sequence[str | os.PathLike[str]],
    names: Sequence[str],
) -> dict[str, Footer]:
    """The columns of the view `this` among `names` that every file has, without nesting."""
    described = connection.execute("select column_name, column_type from (describe this)")
    types = {name: kind for name, kind in described.fetchall() if name in names}
    if not types:
        return {}
    paths = sql.literals([os.fspath(file) for file in files])
    chunks = (
        "with chunks as materialized ("
        "select path_in_schema as path, num_values, stats_null_count as nulls, "
        "stats_min_value as least, stats_max_value as greatest "
        f"from parquet_metadata([{paths}]) where path_in_schema in ({sql.literals(types)})), "
        f"total as (select sum(num_rows) as n from parquet_file_metadata([{paths}])) "
    )
    each = (_footer_query(name, kind) for name, kind in types.items())
    rows = connection.execute(chunks + " union all ".join(each)).fetchall()
    return {name: Footer(types[name], *found) for name, *found in rows}


def _footer_query(name: str, type_: str) -> str:
    """One row for a column; none where its path is also that of a part of another column."""
    least, greatest = "null", "null"
    if _is_exact(type_):
        told = (
            f"bool_and(nulls = num_values or try_cast(least as {type_}) is not null "
            f"and try_cast(greatest as {type_}) is not null)"
        )
        least = f"case when {told} then min(try_cast(least as {type_}))::varchar end"
        greatest = f"case when {told} then max(try_cast(greatest as {type_}))::varchar end"
    return (
        f"select {sql.text(name)}, case when count(nulls) = count(*) then sum(nulls)::bigint end, "
        f"{least}, {greatest} from chunks where path = {sql.text(name)} "
        "having sum(num_values) = (select n from total)"
    )


def _is_exact(type_: str) -> bool:
    # Floats are left out, as some writers do not count NaN among the values, and text,
    # as writers cut it.
    moments = {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
    return sql.is_integer(type_) or type_.startswith("DECIMAL") or type_ in moments
