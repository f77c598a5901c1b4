"""`${vault:mount/path#key}`: HashiCorp Vault or OpenBao, key-value engines version 1 and 2.

Address and credentials come from the environment as for the `vault` command: VAULT_ADDR,
VAULT_TOKEN or `~/.vault-token`, VAULT_NAMESPACE, VAULT_CACERT; or VAULT_ROLE_ID and
VAULT_SECRET_ID for an AppRole. OpenBao's BAO_ names are understood too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from duckherd.errors import SecretError
from duckherd.secrets.providers import field_of
from duckherd.secrets.reference import Reference

_SECONDS = 30.0


def fetch(reference: Reference) -> str:
    """One field of the secret: the one after `#`, or the only one it has."""
    address = _setting("ADDR")
    if address is None:
        raise SecretError(
            f"{reference}: the address of Vault is not known",
            hint="export VAULT_ADDR=https://vault.example:8200",
        )
    with _client(address) as client:
        token = _token(reference, client)
        client.headers["X-Vault-Token"] = token
        fields = _read(reference, client)
    if reference.key is None and len(fields) == 1:
        return str(next(iter(fields.values())))
    if reference.key is None:
        raise SecretError(
            f"{reference}: the secret has several fields: {', '.join(sorted(fields))}",
            hint=f"write ${{vault:{reference.name}#FIELD}}",
        )
    return field_of(reference, fields)


def _read(reference: Reference, client: httpx.Client) -> dict[str, object]:
    path = quote(reference.name.strip("/"))
    # Version 2 keeps data below MOUNT/data/; which mount a path has, only the server knows.
    found = _ask(reference, client, "GET", f"sys/internal/ui/mounts/{path}")["data"]
    mount = str(found["path"])
    second = (found.get("options") or {}).get("version") == "2"
    rest = f"{path}/".removeprefix(mount).strip("/")
    where = f"{mount}data/{rest.removeprefix('data/')}" if second else f"{mount}{rest}"
    data = _ask(reference, client, "GET", where)["data"]
    return dict(data["data"] if second else data)


def _token(reference: Reference, client: httpx.Client) -> str:
    role, secret = _setting("ROLE_ID"), _setting("SECRET_ID")
    if role and secret:
        body = {"role_id": role, "secret_id": secret}
        answer = _ask(reference, client, "POST", "auth/approle/login", body)
        return str(answer["auth"]["client_token"])
    saved = Path("~/.vault-token").expanduser()
    token = _setting("TOKEN") or (saved.read_text().strip() if saved.is_file() else None)
    if not token:
        raise SecretError(
            f"{reference}: there is no Vault token",
            hint="export VAULT_TOKEN=..., or VAULT_ROLE_ID and VAULT_SECRET_ID",
        )
    return token


def _ask(
    reference: Reference, client: httpx.Client, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    try:
        answer = client.request(method, f"/v1/{path}", json=body)
    except httpx.HTTPError as error:
        raise SecretError(
            f"{reference}: Vault at {client.base_url} does not answer: {error}"
        ) from None
    if answer.status_code == 200:
        return dict(answer.json())
    # Vault answers 403 for a path that does not exist, too, and 404 with an empty list.
    told = answer.json().get("errors") if "json" in answer.headers.get("content-type", "") else None
    detail = "; ".join(told) if told else "no secret there"
    raise SecretError(
        f"{reference}: Vault answered {answer.status_code} to {path}: {detail}",
        hint=f"vault kv get {reference.name} tells whether this token may read it",
    )


def _client(address: str) -> httpx.Client:
    namespace = _setting("NAMESPACE")
    certificates = _setting("CACERT")
    return httpx.Client(
        base_url=address,
        headers={"X-Vault-Namespace": namespace} if namespace else {},
        verify=_trusting(certificates) if certificates else True,
        timeout=_SECONDS,
    )


def _trusting(certificates: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=certificates)


def _setting(name: str) -> str | None:
    return os.environ.get(f"VAULT_{name}") or os.environ.get(f"BAO_{name}")
