"""What an object store's refusal means, as an error of the lake.

Clients put the store's whole answer into one text, with signed URLs in it; only what
is known to be safe is taken out of it: status, error code and the store's own sentence.
"""

from __future__ import annotations

import re

from duckherd.errors import LakeDenied, LakeError, LakeUnreachable

_CREDENTIAL_HOSTS = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
_DENIED = frozenset(
    ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
     "AuthorizationFailure", "AuthenticationFailed", "AccountProblem", "InvalidSecurity")
)  # fmt: skip
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist", "container does not")
_SILENT = re.compile(
    r"error sending request|HTTP error|timed? ?out|dns error|connection (refused|reset|closed)"
    r"|error trying to connect|broken pipe",
    re.IGNORECASE,
)


def no_bucket(text: str) -> bool:
    """Whether an answer says that the bucket itself is missing."""
    return any(sign in text for sign in _NO_BUCKET)


def explained(error: BaseException, lake: str, doing: str) -> LakeError:
    """The error of the lake for an error of a client.

    Args:
        error: what the client raised.
        lake: its URL without options, for the message.
        doing: what was tried, e.g. `writing sales/orders.parquet`.
    """
    text = str(error)
    status, code, sentence = _status(text), _code(text), _sentence(text)
    if no_bucket(text):
        return LakeError(
            f"the bucket of {lake} does not exist", hint="create it, or correct the lake's URL"
        )
    if any(host in text for host in _CREDENTIAL_HOSTS):
        return LakeDenied(
            f"no credentials for {lake}: none in its URL, none in the environment, none from the "
            "machine's own role",
            hint="add them to the lake's URL as ${provider:name} references",
        )
    told = f"{lake}: {doing}: {sentence}"
    if _denied(error, status, code):
        return LakeDenied(told, hint="check the lake's credentials and their rights")
    if status == 301 or code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        return LakeError(told, hint="the bucket is in another region: set region= in the URL")
    if status in (408, 429) or (status or 0) >= 500 or (status is None and _SILENT.search(text)):
        return LakeUnreachable(told, hint="is the endpoint right, and does the store run?")
    return LakeError(told)


def _denied(error: BaseException, status: int | None, code: str | None) -> bool:
    kind = type(error).__name__
    return kind in ("PermissionDeniedError", "UnauthenticatedError") or (
        status in (401, 403) or code in _DENIED
    )


def _status(text: str) -> int | None:
    match = re.search(r"status(?: code)?:? (\d{3})", text)
    return int(match[1]) if match else None


def _code(text: str) -> str | None:
    match = re.search(r"<Code>(\w+)</Code>", text)
    return match[1] if match else None


def _sentence(text: str) -> str:
    message = re.search(r"<Message>([^<]{1,300})", text)
    if message:
        code = _code(text)
        return f"{code}: {message[1].strip()}" if code else message[1].strip()
    first = text.partition("\n")[0]
    first = re.sub(r"\bin \d[\d.]*[mµn]?s\b,?\s*", "", first)
    first = re.sub(r"(?<=://)[^/@\s]*@", "", first)
    return re.sub(r"\?[^\s,)]*", "", first).strip()[:300]
