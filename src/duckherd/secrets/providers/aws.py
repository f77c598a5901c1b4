"""`${aws:name}`: AWS Secrets Manager, through boto3; a name or a whole ARN.

Region and credentials are found as the AWS command line finds them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3  # noqa: TID253  # this module is imported where ${aws:...} is used
from botocore.exceptions import BotoCoreError, ClientError

from duckherd.errors import SecretError
from duckherd.secrets.providers import pick
from duckherd.secrets.reference import Reference

_HINTS = {
    "ResourceNotFoundException": "aws secretsmanager list-secrets shows the secrets of a region",
    "AccessDeniedException": "the role needs secretsmanager:GetSecretValue on it",
    "UnrecognizedClientException": "the access key is not valid: aws sts get-caller-identity",
}


def fetch(reference: Reference) -> str:
    """The secret's current text; secrets that hold bytes are read as UTF-8."""
    try:
        answer = _client(_region(reference.name)).get_secret_value(SecretId=reference.name)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        detail = error.response.get("Error", {}).get("Message", "")
        raise SecretError(
            f"{reference}: AWS Secrets Manager says {code}: {detail}", hint=_HINTS.get(code)
        ) from None
    except BotoCoreError as error:
        raise SecretError(
            f"{reference}: AWS Secrets Manager cannot be asked: {error}",
            hint="set AWS_REGION and credentials: aws sts get-caller-identity",
        ) from None
    return pick(reference, _text(reference, answer))


def _text(reference: Reference, answer: dict[str, Any]) -> str:
    if "SecretString" in answer:
        return str(answer["SecretString"])
    try:
        return bytes(answer["SecretBinary"]).decode()
    except UnicodeDecodeError:
        raise SecretError(f"{reference}: the secret is not UTF-8 text") from None


def _region(name: str) -> str | None:
    # An ARN says its region: arn:aws:secretsmanager:eu-central-1:...
    parts = name.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 3 else None


@cache
def _client(region: str | None) -> Any:
    return boto3.client("secretsmanager", region_name=region)
