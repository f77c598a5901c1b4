"""`${gcp:name}`: Google Secret Manager, through Google's own client.

The name is a secret of the default project (`erp-password`) or a full resource name
(`projects/acme/secrets/erp-password`, with `/versions/7` for another than the latest).
Credentials and the default project are Google's application default ones.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.auth import default
from google.auth.exceptions import GoogleAuthError
from google.cloud import secretmanager

from duckherd.errors import SecretError
from duckherd.secrets.providers import pick
from duckherd.secrets.reference import Reference

if TYPE_CHECKING:
    from google.cloud.secretmanager import SecretManagerServiceClient

_SECONDS = 30.0
_FULL = re.compile(r"projects/[^/]+(/locations/[^/]+)?/secrets/[^/]+(?P<version>/versions/[^/]+)?")


def fetch(reference: Reference) -> str:
    """The secret's payload, read as UTF-8."""
    try:
        name = resource(reference, default_project)
        answer = client().access_secret_version(name=name, timeout=_SECONDS)
    except exceptions.GoogleAPICallError as error:
        raise SecretError(
            f"{reference}: Google Secret Manager says {error.code}: {error.message}",
            hint=_hint(error),
        ) from None
    except GoogleAuthError as error:
        raise SecretError(
            f"{reference}: no Google credentials: {error}",
            hint="gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS",
        ) from None
    try:
        return pick(reference, answer.payload.data.decode())
    except UnicodeDecodeError:
        raise SecretError(f"{reference}: the secret is not UTF-8 text") from None


def resource(reference: Reference, project: Any) -> str:
    """The resource name of a version; `project()` is asked only for a short name."""
    full = _FULL.fullmatch(reference.name)
    if full is not None:
        return reference.name if full["version"] else f"{reference.name}/versions/latest"
    if "/" in reference.name:
        raise SecretError(
            f"{reference} is no name of Google Secret Manager",
            hint="write ${gcp:projects/PROJECT/secrets/NAME}, or ${gcp:NAME} of your project",
        )
    return f"projects/{project(reference)}/secrets/{reference.name}/versions/latest"


def default_project(reference: Reference) -> str:
    """The project of the application default credentials."""
    _, project = default()
    if not project:
        raise SecretError(
            f"{reference}: there is no default Google project",
            hint="set GOOGLE_CLOUD_PROJECT, or write projects/PROJECT/secrets/NAME",
        )
    return str(project)


@cache
def client() -> SecretManagerServiceClient:
    """One client a process: making one asks for a token."""
    return secretmanager.SecretManagerServiceClient()


def _hint(error: exceptions.GoogleAPICallError) -> str | None:
    if isinstance(error, exceptions.PermissionDenied):
        return "the account needs the role Secret Manager Secret Accessor on it"
    if isinstance(error, exceptions.NotFound):
        return "gcloud secrets list shows the secrets of a project"
    return None
