"""What the user may say of one column: `parameters.columns`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_WORDS = ("include", "exclude")


class ColumnRule(BaseModel):
    """How one source column is carried.

    In `prefect.yaml` a rule may also be the word `exclude` or `include`. As soon as one
    column is marked `include`, or has any other rule together with `"*": exclude`,
    only columns that are named are read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    as_: Literal["text", "microseconds"] | None = Field(
        default=None,
        alias="as",
        title="As",
        description="Carry the value as the text the database prints, or a time without the "
        "digits below a microsecond.",
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
        if value in _WORDS:
            return {str(value): True}
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # Prefect's server validates deployments against the schema, so it tells the words too.
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        rules = dict(schema)
        schema.clear()
        schema |= {"title": "ColumnRule", "anyOf": [rules, {"type": "string", "enum": [*_WORDS]}]}
        return reference

    @model_validator(mode="after")
    def _one_way(self) -> ColumnRule:
        if self.exclude and (self.include or self.as_ or self.mask or self.rename):
            raise ValueError("an excluded column takes no other rule")
        return self
