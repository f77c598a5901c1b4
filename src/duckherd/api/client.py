"""A small client of Prefect's REST API, for commands that must answer at once.

Importing Prefect costs seconds; httpx costs a tenth of one. Only the requests are
made here: what they mean belongs to the callers.
"""

from __future__ import annotations

import random
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from duckherd.api.settings import ApiSettings, load_settings
from duckherd.errors import ApiError, ApiUnreachable

PAGE = 200
"""Most objects Prefect's filter endpoints return in one answer."""

_BUSY = frozenset({429, 502, 503})
"""Answers that Prefect's own client tries again too: 503 is "database is locked" on SQLite."""

_ATTEMPTS = 7

Json = Any
"""Decoded JSON; its shape is that of the Prefect endpoint asked."""


class Api:
    """Prefect's REST API, synchronous, safe to share between threads.

    Raises:
        ApiUnreachable: no answer.
        ApiError: an answer of status 400 or above; `status` holds it.
    """

    def __init__(self, settings: ApiSettings, *, timeout: float = 60.0) -> None:
        if settings.url is None:
            raise ApiUnreachable(
                "no Prefect API is configured (PREFECT_API_URL and the active profile are empty)",
                hint="duckherd up, or: prefect config set PREFECT_API_URL=http://host:4200/api",
            )
        self.url = settings.url
        self.ui_url = settings.ui_url
        bearer = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        auth = tuple(settings.auth.split(":", 1)) if settings.auth else None
        self._client = httpx.Client(
            base_url=settings.url + "/",
            headers={**settings.headers, **bearer},
            auth=auth,  # type: ignore[arg-type]  # a pair: Prefect requires the colon
            timeout=timeout,
            transport=httpx.HTTPTransport(retries=2, verify=_trust(settings)),
        )

    @classmethod
    def from_environment(cls) -> Api:
        """The API that Prefect's own commands would use here."""
        return cls(load_settings())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def request(self, method: str, path: str, body: Json = None, **params: Json) -> Json:
        """One request; the decoded answer, None where it is empty."""
        for attempt in range(_ATTEMPTS):
            answer = self._send(method, path, body, params)
            if answer.status_code not in _BUSY:
                break
            if attempt < _ATTEMPTS - 1:
                time.sleep(_patience(answer, attempt))
        if answer.status_code == 403 and "csrf" in answer.text.lower():
            self._fetch_csrf_token()
            answer = self._send(method, path, body, params)
        if answer.status_code >= 400:
            raise _refusal(method, path, answer)
        return answer.json() if answer.content else None

    def _send(
        self, method: str, path: str, body: Json, params: Mapping[str, Json]
    ) -> httpx.Response:
        try:
            return self._client.request(method, path.lstrip("/"), json=body, params=params or None)
        except httpx.HTTPError as error:
            raise ApiUnreachable(
                f"the Prefect API at {self.url} does not answer: {type(error).__name__}: {error}",
                hint="duckherd up starts a local one; prefect config view shows the settings",
            ) from error

    def _fetch_csrf_token(self) -> None:
        client = str(uuid.uuid4())
        token = self._send("GET", "csrf-token", None, {"client": client}).json()["token"]
        self._client.headers.update({"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token})

    def get(self, path: str, **params: Json) -> Json:
        """GET."""
        return self.request("GET", path, None, **params)

    def post(self, path: str, body: Json = None) -> Json:
        """POST."""
        return self.request("POST", path, {} if body is None else body)

    def patch(self, path: str, body: Json) -> Json:
        """PATCH."""
        return self.request("PATCH", path, body)

    def delete(self, path: str) -> None:
        """DELETE."""
        self.request("DELETE", path)

    def pages(self, path: str, body: Mapping[str, Json] | None = None) -> Iterator[Json]:
        """All objects of a `/filter` endpoint, page after page of `PAGE`."""
        offset = 0
        while True:
            page = self.post(path, {**(body or {}), "limit": PAGE, "offset": offset})
            yield from page
            if len(page) < PAGE:
                return
            offset += PAGE


def _trust(settings: ApiSettings) -> bool | ssl.SSLContext:
    if not settings.verify or not settings.certificates:
        return settings.verify
    try:
        return ssl.create_default_context(cafile=settings.certificates)
    except OSError as error:
        raise ApiError(
            f"the Prefect API's certificates in {settings.certificates} cannot be read: {error}",
            hint="PREFECT_API_SSL_CERT_FILE names a file in PEM format",
        ) from error


def _patience(answer: httpx.Response, attempt: int) -> float:
    """Seconds to wait: what the server asks for, else doubling, spread so that threads part."""
    asked = answer.headers.get("Retry-After", "")
    base = float(asked) if asked.replace(".", "", 1).isdigit() else 0.25 * 2.0**attempt
    return base * random.uniform(1.0, 1.5)  # noqa: S311  # no secret


def _refusal(method: str, path: str, answer: httpx.Response) -> ApiError:
    hint = {
        401: "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING",
        403: "the key or auth string in force may not do this",
    }.get(answer.status_code)
    detail = answer.text[:500]
    return ApiError(
        f"the Prefect API answered {answer.status_code} to {method} {path}: {detail}",
        status=answer.status_code,
        hint=hint,
    )
