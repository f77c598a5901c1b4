"""The kinds of checks, in dbt's words where dbt has one. One model each."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeVar

from pydantic import Field, model_validator

from duckherd.checks.options import (
    CheckOptions,
    Limit,
    MetricOptions,
    Name,
    Names,
    Percent,
    RowOptions,
    ScanOptions,
    Value,
)
from duckherd.duration import Duration

ColumnNames = Annotated[Names, Field(description="A column, or several, each checked alone.")]
ColumnName = Annotated[Name, Field(description="The column, named as in the lake.")]
Bounded = TypeVar("Bounded", bound="Range | Length")
Ratio = Annotated[float, Field(ge=0, le=1)] | Percent


def _needs_bound(options: Bounded) -> Bounded:
    if options.min is None and options.max is None:
        raise ValueError(f"{options.kind} needs min, max or both")
    return options


class NotNull(RowOptions):
    """No value is NULL."""

    kind: ClassVar[str] = "not_null"
    short: ClassVar[str | None] = "columns"
    columns: ColumnNames


class Unique(RowOptions):
    """No two rows have the same value, or combination of values; rows with a NULL in it pass.

    A failure is a row beyond the first of its key.
    """

    kind: ClassVar[str] = "unique"
    short: ClassVar[str | None] = "columns"
    columns: Names = Field(description="A column, or several that are unique together.")


class AcceptedValues(RowOptions):
    """Every value is one of these; NULL passes."""

    kind: ClassVar[str] = "accepted_values"
    column: ColumnNames
    values: list[Value] = Field(min_length=1)


class RejectedValues(RowOptions):
    """No value is one of these; NULL passes."""

    kind: ClassVar[str] = "rejected_values"
    column: ColumnNames
    values: list[Value] = Field(min_length=1)


class Range(RowOptions):
    """Every value lies between `min` and `max`, both allowed unless `exclusive`; NULL passes."""

    kind: ClassVar[str] = "range"
    column: ColumnNames
    min: Limit | None = None
    max: Limit | None = None
    exclusive: bool = Field(default=False, description="The bounds themselves are not allowed.")

    _bounded = model_validator(mode="after")(_needs_bound)


class Length(RowOptions):
    """Every text has at least `min` and at most `max` characters; NULL passes."""

    kind: ClassVar[str] = "length"
    column: ColumnNames
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    _bounded = model_validator(mode="after")(_needs_bound)


class Matches(RowOptions):
    """Every text matches a regular expression (RE2), not anchored; NULL passes."""

    kind: ClassVar[str] = "matches"
    column: ColumnNames
    regex: Name


class Expression(RowOptions):
    """A SQL condition holds for every row; a condition that is NULL passes."""

    kind: ClassVar[str] = "expression"
    short: ClassVar[str | None] = "expression"
    expression: Name


class Sql(RowOptions):
    """A query that gives the failing rows; the table is called `this`."""

    kind: ClassVar[str] = "sql"
    short: ClassVar[str | None] = "query"
    query: Name = Field(description="Every row it returns is a failure; the table is called this.")


class Relationships(RowOptions):
    """Every value exists in a column of another published table; NULL passes."""

    kind: ClassVar[str] = "relationships"
    column: ColumnName
    to: str = Field(pattern=r"^.+\..+$", description="The other table, schema.name.")
    field: Name = Field(description="Its column, named as in the lake.")


class RowCount(MetricOptions):
    """How many rows there are."""

    kind: ClassVar[str] = "row_count"
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)
    source: bool | Percent = Field(
        default=False,
        description='true: exactly as many as the source counts; "0.1%": at most that far from it.',
    )


class NullRatio(MetricOptions):
    """Which part of the values is NULL, 0 to 1; 0 for no rows."""

    kind: ClassVar[str] = "null_ratio"
    column: ColumnName
    min: Ratio | None = None
    max: Ratio | None = None


class DistinctCount(MetricOptions):
    """How many different values there are, NULL not counted."""

    kind: ClassVar[str] = "distinct_count"
    column: ColumnName
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class BoundedMetric(MetricOptions):
    """One figure of one column. Skipped where there is no value, as NULL has no bounds."""

    column: ColumnName
    min: Limit | None = Field(default=None, description="Least the figure may be.")
    max: Limit | None = Field(default=None, description="Most the figure may be.")


class Sum(BoundedMetric):
    """The sum of the values; 0 for no rows."""

    kind: ClassVar[str] = "sum"


class Mean(BoundedMetric):
    """The mean of the values, NULL not counted."""

    kind: ClassVar[str] = "mean"


class Min(BoundedMetric):
    """The least value."""

    kind: ClassVar[str] = "min"


class Max(BoundedMetric):
    """The greatest value."""

    kind: ClassVar[str] = "max"


class Freshness(ScanOptions):
    """The newest value of a date or timestamp is not too old when the table is read."""

    kind: ClassVar[str] = "freshness"
    column: ColumnName
    max_age: Duration


class Schema(CheckOptions):
    """The columns are these, with these types."""

    kind: ClassVar[str] = "schema"
    columns: dict[Name, str | None] = Field(
        min_length=1, description="Column name to DuckDB type; no type accepts any."
    )
    ordered: bool = Field(default=False, description="They come in this order.")
    extra: bool = Field(default=False, description="Further columns are allowed.")


KINDS: dict[str, type[CheckOptions]] = {
    model.kind: model
    for model in (
        NotNull,
        Unique,
        AcceptedValues,
        RejectedValues,
        Range,
        Length,
        Matches,
        Expression,
        Sql,
        Relationships,
        RowCount,
        NullRatio,
        DistinctCount,
        Sum,
        Mean,
        Min,
        Max,
        Freshness,
        Schema,
    )
}
"""Kind, as written in `parameters.checks`, to its options."""
