"""Prefect's server, as the local server runs it: nothing is computed twice.

Prefect 3.8 lists the time zone files whenever it reads or returns a cron schedule, some
25 ms for each deployment, and holds each deployment's parameter schema against JSON
Schema's own whenever one is created or run, some 400 ms for a schema as large as ours.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app() -> FastAPI:
    """Prefect's own application. What a later Prefect no longer has is left as it is."""
    import jsonschema  # type: ignore[import-untyped]
    from prefect._internal.schemas import validators
    from prefect.server.api.server import create_app as prefects_app
    from prefect.utilities.schema_tools import validation

    listing = getattr(validators, "get_timezones", None)
    if listing is not None:
        setattr(validators, "get_timezones", cache(listing))  # noqa: B010  # a private name
    for validator in (jsonschema.Draft202012Validator, getattr(validation, "_VALIDATOR", None)):
        if validator is not None:
            remember_valid_schemas(validator)
    return prefects_app()


def remember_valid_schemas(validator: Any) -> None:
    """Let a jsonschema validator class check each schema once; invalid ones every time."""
    check, valid = validator.check_schema, set[str]()

    def check_schema(schema: Any, *args: Any, **options: Any) -> None:
        text = json.dumps(schema, sort_keys=True, default=repr)
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in valid:
            check(schema, *args, **options)
            valid.add(key)

    validator.check_schema = staticmethod(check_schema)
