"""`${file:path}`: a file that holds nothing but the secret, as Docker and Kubernetes mount it."""

from __future__ import annotations

from pathlib import Path

from duckherd.errors import SecretError
from duckherd.secrets.reference import Reference


def fetch(reference: Reference) -> str:
    """The file's text without its last line break."""
    path = Path(reference.name)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{reference}: {path} is not UTF-8 text") from None
    except OSError as error:
        raise SecretError(
            f"{reference}: {path} cannot be read: {error.strerror}",
            hint="the file must exist where the flow runs: on the worker's host or in its image",
        ) from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretError(f"{reference}: {path} is empty")
    return value
