"""The checks a user may write in `parameters.checks`.

One item of the list is a map with one key, the kind, as in dbt:

    - not_null: [order_id, customer_id]
    - unique: {columns: [order_id, line], where: not deleted}
    - row_count: {min: 1, max_drop: "20%"}
"""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializeAsAny,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from duckherd.checks.kinds import KINDS
from duckherd.checks.options import CheckOptions, nearest


class Check(BaseModel):
    """One check: `{kind: options}`.

    Attributes:
        kind: one of `duckherd.checks.kinds.KINDS`.
        options: the model of that kind.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    options: SerializeAsAny[CheckOptions]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict) or len(value) != 1:
            raise ValueError(
                f"a check is a map of one kind, such as `not_null: order_id`, not {value!r}"
            )
        ((kind, options),) = value.items()
        model = KINDS.get(kind)
        if model is None:
            raise ValueError(
                f"there is no check {kind!r}{nearest(str(kind), KINDS)} Known: {', '.join(KINDS)}"
            )
        return {"kind": kind, "options": model.model_validate(options)}

    @model_serializer(mode="wrap")
    def _write(self, serialize: Any) -> dict[str, Any]:
        return {self.kind: serialize(self)["options"]}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # anyOf, which Prefect's form turns into a choice of kinds by title.
        return {
            "title": "Check",
            "anyOf": [
                {
                    "title": kind,
                    "description": (model.__doc__ or "").partition("\n")[0],
                    "type": "object",
                    "properties": {kind: _schema_of(model, handler)},
                    "required": [kind],
                    "additionalProperties": False,
                }
                for kind, model in KINDS.items()
            ],
        }


def _schema_of(model: type[CheckOptions], handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    # The handler does not call the hook of a model whose schema is passed by hand.
    return model.__get_pydantic_json_schema__(model.__pydantic_core_schema__, handler)
