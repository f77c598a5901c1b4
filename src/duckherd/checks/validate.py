"""What is wrong with checks before any data is read.

Columns and types are compared as text; SQL is tried by DuckDB on an empty table, which
binds names and types, compiles regular expressions and reads no data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from duckherd.checks import sql
from duckherd.checks.compile import Probe, aggregate_query, probes_of
from duckherd.checks.engine import canonical_types
from duckherd.checks.kinds import (
    AcceptedValues,
    Expression,
    Freshness,
    Matches,
    Max,
    Min,
    Range,
    RejectedValues,
    Relationships,
    RowCount,
    Schema,
    Sql,
)
from duckherd.checks.options import CheckOptions, ScanOptions
from duckherd.checks.run import reason
from duckherd.checks.vocabulary import Check
from duckherd.extract.model import SpoolColumn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Problem:
    """A check that can never be judged.

    Attributes:
        position: index of the check in `parameters.checks`, from 0.
        name: of the check.
        message: what is wrong, for people.
    """

    position: int
    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


def validate_checks(
    checks: Sequence[Check], columns: Sequence[SpoolColumn] | None = None
) -> tuple[Problem, ...]:
    """Everything that is known to be wrong with `checks`, at most one problem a probe.

    `columns` are named and typed as in the lake; None where they are not known: then only
    the SQL's syntax and regular expressions are looked at. A column of type "" is known by
    name only.
    """
    probes = probes_of(checks, columns or ())
    if columns is None:
        # Most checks hold no SQL of the user's, and starting the engine takes a while.
        plain = [probe for probe in probes if not _holds_sql(probe)]
        probes = tuple(probe for probe in probes if _holds_sql(probe))
        told = [Problem(p.position, p.name, text) for p in plain if (text := _contradiction(p))]
    else:
        told = []
    return tuple(sorted([*told, *_asked(probes, columns)], key=lambda each: each.position))


def _holds_sql(probe: Probe) -> bool:
    options = probe.options
    told = isinstance(options, Matches | Expression | Sql | Schema)
    return told or bool(isinstance(options, ScanOptions) and options.where)


def _asked(probes: Sequence[Probe], columns: Sequence[SpoolColumn] | None) -> Iterator[Problem]:
    """Problems an engine is asked for."""
    if not probes:
        return
    typed = columns is not None and all(column.type for column in columns)
    with _empty(columns if columns is not None and typed else ()) as empty:
        for probe in probes:
            text = _problem(probe, columns, empty, typed=typed)
            if text:
                yield Problem(probe.position, probe.name, text)


def _problem(
    probe: Probe, columns: Sequence[SpoolColumn] | None, empty: DuckDBPyConnection, *, typed: bool
) -> str | None:
    import duckdb

    try:
        return (
            _contradiction(probe)
            or _unknown(probe, columns)
            or _mistyped(probe, empty)
            or _untried(probe, empty)
            or (_tried(probe, empty) if typed else None)
        )
    except duckdb.Error as error:
        return reason(error)


def _contradiction(probe: Probe) -> str | None:
    options = probe.options
    if isinstance(options, RowCount) and options.source is not False and options.where:
        return "source counts all rows, so it cannot be compared with where"
    least, most = getattr(options, "min", None), getattr(options, "max", None)
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        return f"min {least} is greater than max {most}"
    return None


def _unknown(probe: Probe, columns: Sequence[SpoolColumn] | None) -> str | None:
    # A schema check is there to tell that a column is missing.
    if columns is None or isinstance(probe.options, Schema):
        return None
    names = [column.name for column in columns]
    for name in probe.columns:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(names)}"
            return f"the table has no column {name!r}{hint}"
    return None


def _mistyped(probe: Probe, empty: DuckDBPyConnection) -> str | None:
    """Constants that are none of the column's type; DuckDB would say so at the first row only."""
    options, type_ = probe.options, probe.type
    if isinstance(options, Schema):
        canonical_types(empty, [agreed for agreed in options.columns.values() if agreed])
    if not type_:
        return None
    if isinstance(options, Freshness) and not sql.is_moment(type_):
        return f"{probe.columns[0]} is {type_}; freshness needs a date or timestamp"
    bounds = _bounds(options)
    if bounds and sql.is_text(type_) and not all(isinstance(bound, str) for bound in bounds):
        return f"{probe.columns[0]} is {type_}, which compares with text only, as in min: 'a'"
    values = options.values if isinstance(options, AcceptedValues | RejectedValues) else []
    for value in (*bounds, *values):
        empty.execute(f"select cast({sql.literal(value, type_)} as {_comparable(type_)})")
    return None


def _bounds(options: CheckOptions) -> list[int | float | str]:
    """Bounds that are compared with values of the column itself."""
    if not isinstance(options, Range | Min | Max):
        return []
    return [bound for bound in (options.min, options.max) if bound is not None]


def _comparable(type_: str) -> str:
    # 1.5 may be compared with an integer, and 300 with a TINYINT.
    number = type_.startswith("DECIMAL") or sql.is_integer(type_) or type_ in {"HUGEINT", "FLOAT"}
    return "DOUBLE" if number else type_


def _untried(probe: Probe, empty: DuckDBPyConnection) -> str | None:
    """Syntax and regular expressions, which need no columns."""
    options = probe.options
    if isinstance(options, Matches):
        empty.execute(f"select regexp_matches('', {sql.text(options.regex)})")
    if isinstance(options, ScanOptions) and options.where:
        _parse(empty, f"select 1 where ({sql.closed(options.where)})")
    if isinstance(options, Expression):
        _parse(empty, f"select ({sql.closed(options.expression)})")
    if isinstance(options, Sql):
        statements = empty.extract_statements(options.query)
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            return "query is not one SELECT statement"
    return None


def _parse(empty: DuckDBPyConnection, query: str) -> None:
    empty.extract_statements(query)


def _tried(probe: Probe, empty: DuckDBPyConnection) -> str | None:
    if probe.measures:
        empty.execute(aggregate_query([probe])[0])
    # The other table's columns are not known here.
    for query in () if isinstance(probe.options, Relationships) else (probe.count, probe.failing):
        if query:
            empty.execute(query)
    return None


@contextmanager
def _empty(columns: Iterable[SpoolColumn]) -> Iterator[DuckDBPyConnection]:
    """A table `this` without rows, in a DuckDB that can reach nothing."""
    import duckdb

    definitions = ", ".join(f"{sql.identifier(column.name)} {column.type}" for column in columns)
    config: dict[str, Any] = {
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": 1,
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        if definitions:
            connection.execute(f"create table this ({definitions})")
        yield connection
