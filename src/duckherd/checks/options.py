"""What the options of every check have in common: short forms, severity, thresholds.

No heavy imports: these models are part of the flow's parameters, which are also
validated without Prefect and without DuckDB.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def _plain(value: object) -> object:
    """YAML reads 2024-01-31 as a date; parameters travel as JSON, so it becomes text."""
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


Value = Annotated[bool | int | float | str, BeforeValidator(_plain)]
"""A value to compare with; dates and times as ISO 8601 text."""

Limit = Annotated[int | float | str, BeforeValidator(_plain)]
"""A lower or upper bound, inclusive unless said otherwise."""

Percent = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%$", examples=["0.1%"])]
Name = Annotated[str, Field(min_length=1)]
Names = Name | Annotated[list[Name], Field(min_length=1)]


def fraction(percent: str) -> float:
    """`0.1%` -> 0.001."""
    return float(Decimal(percent.removesuffix("%")) / 100)


def beyond(part: float, whole: float, percent: str) -> bool:
    """Whether `part` is more than `percent` of `whole`, exactly: 29 is not beyond 29% of 100."""
    return Decimal(part) * 100 > Decimal(percent.removesuffix("%")) * Decimal(whole)


def names_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def nearest(word: str, allowed: Iterable[str]) -> str:
    """` (did you mean ...?)`, or nothing where no allowed word is near."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class Options(BaseModel):
    """Options of a check, or a part of them.

    `short` names the field that may stand for the whole: with `short = "columns"`,
    `[a, b]` means `{columns: [a, b]}`, and is written that way again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    short: ClassVar[str | None] = None
    kind: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _accept(cls, value: object) -> object:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            if cls.short is None:
                raise ValueError(
                    f"{cls.kind} takes options ({', '.join(cls.model_fields)}), not {value!r}"
                )
            return {cls.short: value}
        for key in value:
            if key not in cls.model_fields:
                raise ValueError(
                    f"{cls.kind} has no option {key!r}{nearest(str(key), cls.model_fields)} "
                    f"Allowed: {', '.join(cls.model_fields)}"
                )
        return value

    @model_serializer(mode="wrap")
    def _shorten(self, serialize: SerializerFunctionWrapHandler) -> Any:
        options = serialize(self)
        return options[self.short] if self.short and set(options) == {self.short} else options

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # Prefect's server holds raw parameters against this schema, so it has to
        # allow the short form as well.
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema["title"] = cls.kind or cls.__name__.lower()
        if cls.short is None:
            return schema
        short = dict(schema["properties"][cls.short])
        return {"title": schema["title"], "anyOf": [short, schema]}


class CheckOptions(Options):
    """Options that every check takes."""

    severity: Literal["error", "warn"] = Field(
        default="error", description="error keeps the table from being published, warn only tells."
    )
    name: Name | None = Field(default=None, description="Shown instead of the made name.")
    description: str | None = Field(default=None, description="Why this check is there.")


class ScanOptions(CheckOptions):
    """Options of checks that look at rows."""

    where: Name | None = Field(
        default=None, description="SQL condition; only rows that fulfil it are looked at."
    )


class RowOptions(ScanOptions):
    """Options of checks that each row passes or fails."""

    max_failures: Annotated[int, Field(ge=0)] | Percent = Field(
        default=0, description='Failures that are still allowed: a number, or "0.1%" of the rows.'
    )


class Anomaly(Options):
    """How far from the table's own history a figure may be."""

    short: ClassVar[str | None] = "deviations"
    kind: ClassVar[str] = "anomaly"

    deviations: float = Field(gt=0, description="Deviations from the middle that are allowed.")
    method: Literal["mad", "zscore"] = Field(
        default="mad",
        description="mad: median, median absolute deviation; zscore: mean, standard deviation.",
    )
    min_history: int = Field(default=7, ge=3, description="Silent with fewer earlier loads.")


class MetricOptions(ScanOptions):
    """Options of checks that compare one figure of the table."""

    max_drop: Percent | None = Field(
        default=None, description="Greatest fall against the previous load."
    )
    max_growth: Percent | None = Field(
        default=None, description="Greatest rise against the previous load."
    )
    anomaly: Anomaly | None = Field(
        default=None, description="Deviations from the table's own history that are allowed."
    )

    @model_validator(mode="after")
    def _expects_something(self) -> MetricOptions:
        expectations = [
            name
            for name in type(self).model_fields
            if name not in ScanOptions.model_fields and name != "column"
        ]
        given = (getattr(self, name) for name in expectations)
        if all(value is None or value is False for value in given):
            raise ValueError(f"{self.kind} expects nothing: give one of {', '.join(expectations)}")
        return self
