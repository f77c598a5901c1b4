"""Prefect's server, as the local server runs it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app() -> FastAPI:
    """Prefect's own application, which remembers the names of the time zones.

    Prefect 3.8 lists the zone files anew whenever it reads or returns a cron schedule:
    some 25 ms for each deployment, half a minute for a thousand.
    """
    from prefect._internal.schemas import validators
    from prefect.server.api.server import create_app as prefects_app

    listing = getattr(validators, "get_timezones", None)
    if listing is not None:
        setattr(validators, "get_timezones", cache(listing))  # noqa: B010  # a private name
    return prefects_app()
