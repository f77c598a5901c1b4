"""One module per provider, each with `fetch(reference) -> str`, imported when first used."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Protocol, cast

from duckherd.errors import SecretError
from duckherd.secrets.reference import Reference

_EXTRAS = {"gcp": "gcp", "aws": "aws", "azure": "azure"}


class Provider(Protocol):
    """A place where secrets are kept."""

    def fetch(self, reference: Reference) -> str:
        """The secret's value. Raises SecretError, which names the reference and never a value."""
        ...


def provider(name: str) -> Provider:
    """The provider of that name. Raises SecretError where its package is not installed."""
    try:
        return cast("Provider", import_module(f"duckherd.secrets.providers.{name}"))
    except ModuleNotFoundError as error:
        if name not in _EXTRAS or (error.name or "").startswith("duckherd"):
            raise
        raise SecretError(
            f"${{{name}:...}} needs the package {error.name!r}",
            hint=f"pip install 'duckherd[{_EXTRAS[name]}]'",
        ) from error


def pick(reference: Reference, value: str) -> str:
    """The value, or with a `#key` that field of the JSON object it holds."""
    if reference.key is None:
        return value
    try:
        fields = json.loads(value)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise SecretError(
            f"{reference}: the secret is not a JSON object, so it has no field {reference.key!r}",
            hint=f"leave out #{reference.key} to use the whole secret",
        )
    return field_of(reference, fields)


def field_of(reference: Reference, fields: dict[str, object]) -> str:
    """The field that `#key` names. Raises SecretError with the names there are, never values."""
    if reference.key not in fields:
        raise SecretError(
            f"{reference}: no field {reference.key!r}; the secret has {', '.join(sorted(fields))}"
        )
    value = fields[reference.key]
    return value if isinstance(value, str) else json.dumps(value)
