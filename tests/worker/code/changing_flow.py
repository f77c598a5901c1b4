# ruff: noqa: D103 - flows named for what they do
"""A module the tests change."""

from pathlib import Path

from prefect import flow

VERSION = "one"


@flow
def version(out: str) -> None:
    Path(out).write_text(VERSION)
