"""Prefect's server, as the local server runs it: the same answers for less work.

- Prefect 3.8 lists the time zone files whenever it reads or returns a cron schedule, some
  25 ms for each deployment.
- It holds each deployment's parameter schema against JSON Schema's own whenever one is
  created or run, some 400 ms for a schema as large as ours.
- It gives pendulum's times to the PostgreSQL driver, which subtracts the epoch from each:
  pendulum makes an interval in calendar units of that, a tenth of all the server does.
- Python's collector walks the hundred thousands of objects a server begins with again and
  again, another tenth.
- What it reads and does for each request: `queries.py`, `request_handling.py`.
"""

from __future__ import annotations

import datetime as dt
import gc
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
    from prefect.server.utilities import database
    from prefect.utilities.schema_tools import validation

    from duckherd.server import queries, request_handling
    from duckherd.worker.support import unsupported_reason

    listing = getattr(validators, "get_timezones", None)
    if listing is not None:
        setattr(validators, "get_timezones", cache(listing))  # noqa: B010  # a private name
    for validator in (jsonschema.Draft202012Validator, getattr(validation, "_VALIDATOR", None)):
        if validator is not None:
            remember_valid_schemas(validator)
    timestamp = getattr(database, "Timestamp", None)
    if timestamp is not None:
        bind_plain_times(timestamp)
    app = prefects_app()
    if unsupported_reason() is None:
        queries.install()
        request_handling.install(app)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    return app


def bind_plain_times(timestamp: Any) -> None:
    """Let a type of SQLAlchemy's hand the driver `datetime`s instead of subclasses."""
    bound = timestamp.process_bind_param

    def process_bind_param(self: Any, value: Any, dialect: Any) -> Any:
        return plain_time(bound(self, value, dialect))

    timestamp.process_bind_param = process_bind_param


def plain_time(value: dt.datetime | None) -> dt.datetime | None:
    """The same moment in the same zone, as the standard library's own class."""
    if value is None or type(value) is dt.datetime:
        return value
    return dt.datetime.combine(value.date(), value.timetz())


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
