"""What the local server does with less work than Prefect's own."""

from __future__ import annotations

import datetime as dt

import jsonschema
import pendulum
import pytest
import sqlalchemy as sa
from prefect.server.utilities.database import Timestamp
from sqlalchemy.dialects import postgresql

from duckherd.server.app import bind_plain_times, plain_time, remember_valid_schemas


def test_valid_schemas_are_checked_once_and_invalid_ones_always():
    """A schema found valid is not checked again; an invalid one is refused each time."""
    checked = []

    class Validator:
        @classmethod
        def check_schema(cls, schema, *args, **options):
            checked.append(schema)
            jsonschema.Draft202012Validator.check_schema(schema, *args, **options)

    remember_valid_schemas(Validator)
    for _ in range(3):
        Validator.check_schema({"type": "object"})
    assert len(checked) == 1
    for _ in range(2):
        with pytest.raises(jsonschema.SchemaError):
            Validator.check_schema({"type": "nothing"})


@pytest.mark.parametrize(
    "time",
    [
        pendulum.datetime(2026, 10, 25, 2, 30, 1, 234567, tz="Europe/Warsaw", fold=1),
        pendulum.datetime(2026, 10, 25, 2, 30, tz="Europe/Warsaw", fold=0),
        pendulum.datetime(1969, 12, 31, 23, 59, 59, 999999, tz="UTC"),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        None,
    ],
)
def test_plain_times_are_the_same_moments(time):
    """Class apart, nothing changes: not the moment, its offset, nor its microseconds."""
    plain = plain_time(time)
    if time is None:
        assert plain is None
        return
    assert type(plain) is dt.datetime
    assert plain.astimezone(dt.UTC).isoformat() == time.astimezone(dt.UTC).isoformat()
    assert plain.utcoffset() == time.utcoffset()


def test_prefects_times_are_bound_plain():
    """The type of Prefect's columns hands the driver the standard library's class."""

    class Bound(Timestamp):
        cache_ok = True

    bind_plain_times(Bound)
    bind = Bound().bind_processor(postgresql.dialect())
    now = pendulum.now("Europe/Warsaw")
    assert type(bind(now)) is dt.datetime
    assert bind(now) == now
    with pytest.raises((ValueError, sa.exc.StatementError), match="timezone"):
        bind(dt.datetime(2026, 1, 1))


def test_prefects_application_is_made_leaner(monkeypatch):
    """What is left out is still there in the Prefect that is installed."""
    from fastapi.dependencies import utils
    from prefect.server.api.server import create_app

    from duckherd.server import request_handling

    monkeypatch.setattr(utils, "run_in_threadpool", utils.run_in_threadpool)
    app = create_app(ignore_cache=True)
    request_handling.install(app)
    assert utils.run_in_threadpool is request_handling._at_once
    [api] = [route.app for route in app.routes if getattr(route, "path", "") == "/api"]
    assert [one.cls for one in api.user_middleware].count(request_handling.DefaultContentType) == 1
