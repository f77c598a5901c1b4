"""What a deployment takes from its flow: name, description and the schema of its parameters.

Prefect computes them from the imported flow, which costs seconds. For our own flow they
follow from `IngestParameters`, the model its signature repeats; a test compares the two.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, create_model

from duckherd.errors import ProjectError
from duckherd.parameters import FLOW_DESCRIPTION, FLOW_ENTRYPOINT, FLOW_NAME, IngestParameters
from duckherd.project.jsonable import plain


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """A flow as its deployments see it; Prefect's UI makes its form of `parameter_schema`."""

    name: str
    description: str | None
    parameter_schema: Mapping[str, Any] = field(repr=False)
    version: str | None = None


def facts_of(entrypoint: str) -> FlowFacts:
    """Facts of the flow at a module path; another flow than ours is imported with Prefect.

    Raises ProjectError where it cannot be imported.
    """
    return _own() if entrypoint == FLOW_ENTRYPOINT else _imported(entrypoint)


@cache
def _own() -> FlowFacts:
    fields: dict[str, Any] = {}
    descriptions = _descriptions()
    for position, (name, parameter) in enumerate(IngestParameters.model_fields.items()):
        default = (
            ... if parameter.is_required() else parameter.get_default(call_default_factory=True)
        )
        fields[name] = (
            _annotation(name),
            Field(
                default=default,
                title=name,
                description=descriptions[name],
                json_schema_extra={"position": position},
            ),
        )
    config = ConfigDict(arbitrary_types_allowed=True)
    model = create_model("Parameters", __config__=config, **fields)
    schema = model.model_json_schema(ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    keys = ("title", "type", "properties", "required", "definitions")
    return FlowFacts(FLOW_NAME, FLOW_DESCRIPTION, plain({key: schema[key] for key in keys}))


def _annotation(name: str) -> Any:
    # `model_fields` gives the bare type; validators such as "one name is a list of one"
    # are part of the schema too.
    hints = inspect.get_annotations(IngestParameters, eval_str=True)
    return hints[name]


def _descriptions() -> dict[str, str]:
    text = inspect.getdoc(IngestParameters) or ""
    return dict(re.findall(r"^    (\w+): (.+)$", text, re.MULTILINE))


@cache
def _imported(entrypoint: str) -> FlowFacts:
    import sys

    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    # `prefect deploy` finds modules beside prefect.yaml too.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        flow: Any = load_flow_from_entrypoint(entrypoint)
    except Exception as error:
        raise ProjectError(
            f"the flow {entrypoint!r} cannot be imported: {type(error).__name__}: {error}",
            hint=f"python -c 'import {entrypoint.rpartition('.')[0]}' shows why",
        ) from error
    schema = plain(parameter_schema(flow).model_dump(exclude_unset=True))
    return FlowFacts(flow.name, flow.description, schema, flow.version)
