"""The table's state as JSON, with the version of its format."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake.model import TableState
from duckherd.lake.naming import state_path

FORMAT = 1
"""Grows when an older duckherd could misread what a newer one wrote."""


@cache
def _adapter() -> TypeAdapter[TableState]:
    return TypeAdapter(TableState)


def encode_state(state: TableState) -> bytes:
    """The state as JSON."""
    content = {"format_version": FORMAT, **_adapter().dump_python(state, mode="json")}
    return json.dumps(content).encode("ascii")


def decode_state(data: bytes, table: TableName, lake: str) -> TableState:
    """The state read back.

    Raises LakeError where it is not one, was written by a newer duckherd, or belongs to
    another table (names that differ only in case on a disk that ignores case).
    """
    place = f"the state of {table} ({lake}/{state_path(table)})"
    content = _parsed(data, place)
    version = content.pop("format_version", None)
    if not isinstance(version, int):
        raise LakeError(f"{place} has no format_version", hint=_RESTORE)
    if version > FORMAT:
        raise LakeError(
            f"{place} was written by a newer duckherd: format {version}, this one reads {FORMAT}",
            hint="pip install --upgrade duckherd",
        )
    try:
        state = _adapter().validate_python(content)
    except ValidationError as error:
        raise LakeError(f"{place} cannot be read: {error}", hint=_RESTORE) from error
    if state.table != str(table):
        raise LakeError(
            f"{place} belongs to {state.table}: "
            "the lake's disk does not tell upper case from lower",
            hint="publish one of the two tables to another lake",
        )
    return state


_RESTORE = "restore the file from a backup, or delete it and run the table with a full load"


def _parsed(data: bytes, place: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise LakeError(f"{place} is not JSON: {error}", hint=_RESTORE) from error
    if not isinstance(content, dict):
        raise LakeError(f"{place} is not a JSON object", hint=_RESTORE)
    return content
