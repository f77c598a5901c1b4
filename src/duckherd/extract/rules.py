"""What the user may say of one column: `parameters.columns`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ColumnRule(BaseModel):
    """How one source column is carried.

    In `prefect.yaml` a rule may also be the word `exclude` or `include`. As soon as one
    column is marked `include`, or has any other rule together with `"*": exclude`,
    only columns that are named are read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    as_: Literal["text"] | None = Field(
        default=None,
        alias="as",
        title="As",
        description="Carry the value as the text the database prints.",
    )
    mask: Literal["sha256", "redact", "null", "last4"] | None = Field(
        default=None, description="Mask in the source query; clear text never leaves the source."
    )
    rename: str | None = Field(default=None, min_length=1, description="Name in the lake.")
    include: bool = Field(default=False, description="Read this column.")
    exclude: bool = Field(default=False, description="Do not read this column.")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if value in ("include", "exclude"):
            return {str(value): True}
        return value

    @model_validator(mode="after")
    def _one_way(self) -> ColumnRule:
        if self.exclude and (self.include or self.as_ or self.mask or self.rename):
            raise ValueError("an excluded column takes no other rule")
        return self
