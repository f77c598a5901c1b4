"""`${prefect:block}`: a Secret block of the Prefect server, or `#field` of one that holds JSON."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

from duckherd.api import Api, load_settings
from duckherd.errors import ApiError, SecretError
from duckherd.secrets.providers import field_of, pick
from duckherd.secrets.reference import Reference


def fetch(reference: Reference) -> str:
    """The block's value, asked for at the API in force here."""
    value = _value(reference)
    if isinstance(value, dict) and reference.key is not None:
        return field_of(reference, value)
    text = value if isinstance(value, str) else json.dumps(value)
    return pick(reference, text)


def _value(reference: Reference) -> Any:
    settings = load_settings()
    if settings.url is None and "prefect" in sys.modules:
        return _from_the_engine(reference)
    path = f"block_types/slug/secret/block_documents/name/{quote(reference.name, safe='')}"
    try:
        with Api(settings) as api:
            document = api.get(path, include_secrets=True)
    except ApiError as error:
        raise _unresolved(reference, error) from error
    return document["data"]["value"]


def _from_the_engine(reference: Reference) -> Any:
    # A flow run without a configured API runs against Prefect's own ephemeral server,
    # which only Prefect's client finds.
    from prefect.blocks.system import Secret

    try:
        block: Any = Secret.load(reference.name, _sync=True)  # type: ignore[call-arg,unused-ignore]
    except ValueError as error:
        raise _unresolved(reference, None) from error
    return block.get()


def _unresolved(reference: Reference, error: ApiError | None) -> SecretError:
    if error is not None and error.status != 404:
        return SecretError(f"{reference}: {error.message}", hint=error.hint)
    return SecretError(
        f"{reference}: the Prefect server has no Secret block named {reference.name!r}",
        hint="create it in the UI (Blocks, Secret), or: prefect block create secret",
    )
