"""The client against real and badly behaved servers."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from duckherd.api import PAGE, Api, ApiSettings
from duckherd.api import client as client_module
from duckherd.errors import ApiError, ApiUnreachable

Answer = tuple[int, Any, dict[str, str]]


@pytest.fixture
def server() -> Iterator[Callable[..., Api]]:
    """Starts a server that gives these answers in turn, the last one again and again."""
    running: list[http.server.HTTPServer] = []

    def start(*answers: Answer, **settings: Any) -> Api:
        queue = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            requests: list[tuple[str, str, Any, dict[str, str]]] = []  # noqa: RUF012

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                self.requests.append((self.command, self.path, body, dict(self.headers)))
                status, data, headers = queue.pop(0) if len(queue) > 1 else queue[0]
                text = json.dumps(data).encode() if data is not None else b""
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  # the library's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        running.append(made)
        api = Api(ApiSettings(f"http://127.0.0.1:{made.server_address[1]}/api", **settings))
        api.requests = Handler.requests  # type: ignore[attr-defined]
        return api

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting between attempts takes no time."""
    monkeypatch.setattr(client_module, "_patience", lambda *_: 0.0)


def test_a_real_server_answers(prefect_api: str) -> None:
    """The version, a filter and a refusal of the real thing."""
    with Api.from_environment() as api:
        assert api.get("admin/version").startswith("3.")
        assert api.post("flows/count") >= 0
        with pytest.raises(ApiError, match="answered 404 to GET deployments/") as caught:
            api.get("deployments/00000000-0000-0000-0000-000000000000")
        assert caught.value.status == 404


def test_all_pages_are_read(server: Callable[..., Api]) -> None:
    """A filter endpoint is asked until a page is not full."""
    full: Answer = (200, list(range(PAGE)), {})
    api = server(full, full, (200, [1, 2], {}))
    assert len(list(api.pages("flows/filter", {"sort": "x"}))) == 2 * PAGE + 2
    bodies = [body for _, _, body, _ in api.requests]  # type: ignore[attr-defined]
    assert [body["offset"] for body in bodies] == [0, PAGE, 2 * PAGE]
    assert bodies[0]["sort"] == "x"


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_busy_server_is_asked_again(
    status: int, server: Callable[..., Api], at_once: None
) -> None:
    """Prefect on SQLite says 503 while its database is locked; the next attempt may succeed."""
    api = server((status, None, {}), (status, None, {}), (200, "ok", {}))
    assert api.get("health") == "ok"


def test_a_server_that_stays_busy_is_an_error(server: Callable[..., Api], at_once: None) -> None:
    """After the last attempt the refusal is told as it is."""
    api = server((503, {"exception_message": "Service Unavailable"}, {}))
    with pytest.raises(ApiError, match="answered 503"):
        api.post("deployments/", {})


def test_what_the_server_asks_for_is_waited() -> None:
    """Retry-After is the least that is waited."""
    import httpx

    asked = httpx.Response(429, headers={"Retry-After": "3"})
    assert 3.0 <= client_module._patience(asked, 0) <= 4.5
    assert client_module._patience(httpx.Response(503), 3) >= 2.0


def test_a_csrf_token_is_fetched_when_asked_for(server: Callable[..., Api]) -> None:
    """A server with CSRF protection is given a token, once."""
    api = server(
        (403, {"detail": "Missing CSRF token."}, {}),
        (200, {"token": "t"}, {}),
        (200, "ok", {}),
    )
    assert api.post("flows/", {"name": "x"}) == "ok"
    *_, (method, path, body, headers) = api.requests  # type: ignore[attr-defined]
    assert (method, path, body) == ("POST", "/api/flows/", {"name": "x"})
    assert headers["Prefect-Csrf-Token"] == "t"


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"key": "pnu_x"}, ("Authorization", "Bearer pnu_x")),
        ({"auth": "me:p:w"}, ("Authorization", "Basic bWU6cDp3")),
        ({"headers": {"X-Proxy": "y"}}, ("X-Proxy", "y")),
    ],
)
def test_credentials_are_sent(
    settings: dict[str, Any], header: tuple[str, str], server: Callable[..., Api]
) -> None:
    """Prefect Cloud's key, a server's auth string, a proxy's headers."""
    api = server((200, None, {}), **settings)
    api.get("health")
    ((_, _, _, headers),) = api.requests  # type: ignore[attr-defined]
    name, value = header
    assert headers[name] == value


def test_no_server_is_told_with_the_way_out() -> None:
    """Neither configured nor answering: the message says how to get a server."""
    with pytest.raises(ApiUnreachable, match="duckherd up"):
        Api(ApiSettings(None))
    api = Api(ApiSettings("http://127.0.0.1:1/api"))
    with api, pytest.raises(ApiUnreachable, match="does not answer"):
        api.get("health")


def test_missing_certificates_are_told() -> None:
    """A file of certificates that is not there is an error before any request."""
    with pytest.raises(ApiError, match="PREFECT_API_SSL_CERT_FILE"):
        Api(ApiSettings("https://x.example/api", certificates="/nowhere.pem"))
