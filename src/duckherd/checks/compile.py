"""Checks into SQL: one aggregate query for a whole table. Pure.

The table is a view called `this`. Every check is taken apart into probes, one for each
column it is about; a probe names the aggregates it needs, and all aggregates of all
probes are computed by one scan. Only what no aggregate can say (user's queries, other
tables, the exact number of duplicates where there are any) has a query of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from duckherd.catalog.model import TableName
from duckherd.checks import sql
from duckherd.checks.kinds import (
    BoundedMetric,
    DistinctCount,
    Expression,
    Freshness,
    NullRatio,
    Relationships,
    RowCount,
    Schema,
    Sql,
    Unique,
)
from duckherd.checks.options import CheckOptions, RowOptions, ScanOptions, names_of
from duckherd.checks.vocabulary import Check
from duckherd.extract.model import SpoolColumn

BITMAP_BITS = 1 << 28
"""Widest range of integers that is kept as a bitmap: 32 MiB a thread."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a table before it is scanned.

    Attributes:
        spans: least and greatest value of integer columns, by column name.
        counts: condition -> rows of the whole table that fulfil it.
    """

    spans: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to measure and judge.

    Attributes:
        position: index of the check in `parameters.checks`, from 0.
        name: unique within a table.
        columns: columns it is about, lake names.
        type: DuckDB type of the first of them, empty where unknown.
        measures: aggregate expressions over `this`, in the order `judge` expects.
        count: query giving the exact failures; None where an aggregate gives them.
        failing: query giving the failing rows, None where rows cannot be blamed.
    """

    position: int
    options: CheckOptions
    name: str
    columns: tuple[str, ...] = ()
    type: str = ""
    measures: tuple[str, ...] = ()
    count: str | None = None
    failing: str | None = None

    @property
    def where(self) -> str | None:
        """The user's condition on the rows looked at."""
        return self.options.where if isinstance(self.options, ScanOptions) else None


def probes_of(
    checks: Sequence[Check], columns: Iterable[SpoolColumn] = (), known: Known | None = None
) -> tuple[Probe, ...]:
    """All probes of a table's checks, in their order, names made unique."""
    types = {column.name: column.type for column in columns}
    probes: list[Probe] = []
    taken: set[str] = set()
    for position, check in enumerate(checks):
        parts = subjects(check.options)
        for subject in parts:
            name = _free(_name(check.options, subject, alone=len(parts) == 1), taken)
            taken.add(name)
            type_ = types.get(subject[0], "") if subject else ""
            probe = Probe(position, check.options, name, subject, type_)
            probes.append(_compiled(probe, types, known or Known()))
    return tuple(probes)


def aggregate_query(probes: Iterable[Probe]) -> tuple[str, tuple[str, ...]]:
    """One query for all measures of `probes`, and the measures in the order of its columns."""
    measures = tuple(dict.fromkeys(measure for probe in probes for measure in probe.measures))
    return "select\n  " + ",\n  ".join(measures) + "\nfrom this", measures


def other_tables(checks: Iterable[Check]) -> dict[str, tuple[str, ...]]:
    """Other published tables the checks compare with, `schema.name`, and columns of theirs."""
    tables: dict[str, tuple[str, ...]] = {}
    for check in checks:
        if isinstance(check.options, Relationships):
            known = tables.get(check.options.to, ())
            tables[check.options.to] = tuple(dict.fromkeys((*known, check.options.field)))
    return tables


def needs_source_count(checks: Iterable[Check]) -> bool:
    """Whether a check compares with the number of rows the source counts."""
    return any(isinstance(c.options, RowCount) and c.options.source for c in checks)


def relation(table: str) -> str:
    """How another published table is called in queries: `"schema"."name"`."""
    name = TableName.parse(table)
    return f"{sql.identifier(name.schema)}.{sql.identifier(name.name)}"


def subjects(options: CheckOptions) -> list[tuple[str, ...]]:
    """The columns each probe of a check is about."""
    if isinstance(options, Unique):
        return [names_of(options.columns)]
    if isinstance(options, Schema):
        return [tuple(options.columns)]
    names = getattr(options, "columns", None) or getattr(options, "column", None)
    return [(name,) for name in names_of(names)] if names else [()]


def _name(options: CheckOptions, subject: tuple[str, ...], *, alone: bool) -> str:
    about = ", ".join(subject)
    if options.name:
        return options.name if alone else f"{options.name} ({about})"
    if isinstance(options, Schema | RowCount):
        return options.kind
    if isinstance(options, Expression | Sql):
        code = options.expression if isinstance(options, Expression) else options.query
        about = " ".join(code.split())
        about = about if len(about) <= 60 else about[:59] + "…"
    return f"{options.kind}({about})"


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name} #{number}", number + 1
    return candidate


def _compiled(probe: Probe, types: Mapping[str, str], known: Known) -> Probe:
    options, where = probe.options, probe.where
    rows = sql.filtered("count(*)", where)
    match options:
        case Schema():
            return probe
        case Unique():
            return _unique(probe, rows, _bitmap(probe.columns, types, known, where))
        case Sql():
            return _user_query(probe, options, rows)
        case Relationships():
            return _relationship(probe, options, rows)
        case RowOptions():
            return _by_row(probe, rows, known)
    bitmap = _bitmap(probe.columns, types, known, where)
    return _with(probe, measures=(rows, *_figures(probe, bitmap, known)))


def _by_row(probe: Probe, rows: str, known: Known) -> Probe:
    column = probe.columns[0] if probe.columns else ""
    condition = sql.fails_when(probe.options, column, probe.type)
    quick = sql.counts_when(probe.options, column, probe.type)
    failures = _known(known, condition, probe.where)
    return _with(
        probe,
        measures=(rows, failures or sql.filtered("count(*)", probe.where, quick)),
        failing=f"select * from this where {sql.both(probe.where, condition)}",
    )


def _known(known: Known, condition: str | None, where: str | None) -> str | None:
    """The number of rows that fulfil both, where it is known; of no rows, none fulfil more."""
    count = known.counts.get(condition) if condition else None
    return str(count) if count == 0 or (count is not None and not where) else None


def _unique(probe: Probe, rows: str, bitmap: str | None) -> Probe:
    keys = sql.identifiers(probe.columns)
    known = _none_null(probe.columns)
    tested = sql.filtered("count(*)", probe.where, known)
    # Eight bytes a key, whatever its type. Equal hashes of different keys are told
    # apart by `count`, which runs only where the numbers differ.
    different = bitmap or sql.filtered(f"count(distinct hash({keys}))", probe.where, known)
    grouped = (
        f'select {keys}, count(*) as "rows" from this '
        f"where {sql.both(probe.where, known)} group by {keys} having count(*) > 1"
    )
    return _with(
        probe,
        measures=(rows, f"{tested} - {different}"),
        count=None if bitmap else f'select coalesce(sum("rows" - 1), 0) from ({grouped})',
        failing=f'{grouped} order by "rows" desc',
    )


def _user_query(probe: Probe, options: Sql, rows: str) -> Probe:
    query = options.query.strip().rstrip(";")
    if options.where:
        query = (
            f"with this as (select * from this where {sql.both(options.where)}) "
            f"select * from ({query}\n)"
        )
    return _with(probe, measures=(rows,), count=f"select count(*) from ({query}\n)", failing=query)


def _relationship(probe: Probe, options: Relationships, rows: str) -> Probe:
    column, field = sql.identifier(options.column), sql.identifier(options.field)
    tested = sql.both(options.where, f"{column} is not null")
    failing = (
        f"select this.* from (select * from this where {tested}) as this "
        f"anti join {relation(options.to)} as other on this.{column} = other.{field}"
    )
    return _with(
        probe, measures=(rows,), count=f"select count(*) from ({failing})", failing=failing
    )


def _figures(probe: Probe, bitmap: str | None, known: Known) -> tuple[str, ...]:
    """The figure of a metric; where SQL compares it with bounds, also whether it breaks them."""
    options, where = probe.options, probe.where
    column = sql.identifiers(probe.columns)
    match options:
        case NullRatio():
            null = sql.is_null(probe.columns[0])
            return (_known(known, null, where) or sql.filtered("count(*)", where, null),)
        case DistinctCount():
            return (bitmap or sql.filtered(f"count(distinct {column})", where),)
        case BoundedMetric():
            figure = _figure(options, column, where)
            return (_number(figure, probe.type), *_breaks(figure, options, probe.type))
        case Freshness():
            newest = sql.filtered(f"max({column})", where, f"isfinite({column})")
            return (f"epoch({newest})",)
    return ()


def _figure(options: BoundedMetric, column: str, where: str | None) -> str:
    function = {"mean": "avg"}.get(options.kind, options.kind)
    figure = sql.filtered(f"{function}({column})", where)
    return f"coalesce({figure}, 0)" if options.kind == "sum" else figure


def _breaks(figure: str, options: BoundedMetric, type_: str) -> tuple[str, str]:
    """Compared in SQL, where dates and decimals are exact."""
    least, most = options.min, options.max
    return (
        "false" if least is None else f"{figure} < {sql.literal(least, type_)}",
        "false" if most is None else f"{figure} > {sql.literal(most, type_)}",
    )


def _number(figure: str, type_: str) -> str:
    """A figure as a number; moments become seconds since 1970, other types have none."""
    if sql.is_moment(type_):
        return f"case when isfinite({figure}) then epoch({figure}) end"
    return f"try_cast({figure} as double)"


def _bitmap(
    columns: Sequence[str], types: Mapping[str, str], known: Known, where: str | None
) -> str | None:
    """How many different integers, counted as bits; None where their range is too wide.

    Several columns are counted as one number with a digit for each of them. Memory is
    one bit for each number in the range, where a hash table takes some 30 bytes a row.
    """
    spans = known.spans
    if not all(name in spans and sql.is_integer(types.get(name, "")) for name in columns):
        return None
    digit, parts = 1, []
    for name in columns:
        least, most = spans[name]
        parts.append(f"({sql.identifier(name)}::hugeint - {least}) * {digit}")
        digit *= most - least + 1
    if digit > BITMAP_BITS:
        return None
    if len(columns) == 1:
        name = columns[0]
        bits = f"bitstring_agg({sql.identifier(name)}, {spans[name][0]}, {spans[name][1]})"
    else:
        bits = f"bitstring_agg({' + '.join(parts)}, 0, {digit - 1})"
    return f"coalesce(bit_count({sql.filtered(bits, where, _none_null(columns))}), 0)"


def _none_null(columns: Sequence[str]) -> str:
    return " and ".join(f"{sql.identifier(name)} is not null" for name in columns)


def _with(
    probe: Probe,
    *,
    measures: tuple[str, ...],
    count: str | None = None,
    failing: str | None = None,
) -> Probe:
    return Probe(
        probe.position,
        probe.options,
        probe.name,
        probe.columns,
        probe.type,
        measures,
        count,
        failing,
    )
