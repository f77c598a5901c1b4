"""`${env:NAME}`: an environment variable of the process that runs the table."""

from __future__ import annotations

import os

from duckherd.errors import SecretError
from duckherd.secrets.reference import Reference


def fetch(reference: Reference) -> str:
    """The variable's value; an unset or empty one is an error."""
    value = os.environ.get(reference.name)
    if value:
        return value
    state = "is not set" if value is None else "is empty"
    raise SecretError(
        f"environment variable {reference.name!r} of {reference} {state}",
        hint=f"export {reference.name}=..., in the environment of the worker too",
    )
