"""`${azure:vault/secret}`: Azure Key Vault, through Microsoft's own client.

The name is `vault/secret`, `vault/secret/version`, or the secret's whole identifier
(`https://vault.vault.azure.net/secrets/secret`). Credentials are `DefaultAzureCredential`'s:
environment, workload or managed identity, Azure CLI.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from duckherd.errors import SecretError
from duckherd.secrets.providers import pick
from duckherd.secrets.reference import Reference


def fetch(reference: Reference) -> str:
    """The secret's value."""
    vault, secret, version = address(reference)
    try:
        value = _client(vault).get_secret(secret, version).value
    except HttpResponseError as error:
        code = error.error.code if error.error else error.status_code
        raise SecretError(
            f"{reference}: Azure Key Vault {vault} says {code}: {error.reason}",
            hint="the identity needs the role Key Vault Secrets User on the vault",
        ) from None
    except AzureError as error:
        raise SecretError(
            f"{reference}: Azure Key Vault {vault} cannot be asked: "
            f"{str(error.message).partition(chr(10))[0]}",
            hint="az login, or AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
        ) from None
    if value is None:
        raise SecretError(f"{reference}: the secret has no value")
    return pick(reference, value)


def address(reference: Reference) -> tuple[str, str, str | None]:
    """Vault URL, secret and version (None for the latest) of a reference."""
    name = reference.name
    if name.startswith("https://"):
        parts = urlsplit(name)
        vault, path = f"https://{parts.netloc}", parts.path.removeprefix("/secrets/")
    else:
        first, _, path = name.partition("/")
        vault = f"https://{first}.vault.azure.net"
    secret, _, version = path.partition("/")
    if not secret or not vault.removeprefix("https://").strip("."):
        raise SecretError(
            f"{reference} is no name of Azure Key Vault", hint="write ${azure:VAULT/SECRET}"
        )
    return vault, secret, version or None


@cache
def _client(vault: str) -> SecretClient:
    return SecretClient(vault, DefaultAzureCredential())
