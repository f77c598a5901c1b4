"""The dashboard: the report's fragments, served live."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse

from duckherd.dashboard.actions import ACTIONS
from duckherd.dashboard.snapshot import Live
from duckherd.errors import DuckherdError
from duckherd.report.render import environment

_HTMX = Path(__file__).with_name("static") / "htmx.min.js"
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_TOKEN = "x-csrf-token"  # noqa: S105  a header's name

Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what.

    Attributes:
        hosts: names the browser may address us by; others are refused (DNS rebinding).
        auth: `user:password` of the Prefect API, asked of the browser too; None for none.
        actions: whether the herd may be changed.
    """

    hosts: frozenset[str]
    auth: str | None = None
    actions: bool = False


def create(live: Live, access: Access) -> FastAPI:
    """The application. Every page is rendered from `live.snapshot`."""
    app = FastAPI(title="duckherd", docs_url=None, redoc_url=None, openapi_url=None)
    token = secrets.token_urlsafe(24)
    templates = environment()

    def render(name: str, **values: object) -> HTMLResponse:
        snapshot = live.snapshot
        text = templates.get_template(name).render(
            report=snapshot.report, snapshot=snapshot, token=token, access=access, **values
        )
        return HTMLResponse(text)

    @app.middleware("http")
    async def guard(request: Request, proceed: Next) -> Response:
        refusal = _refusal(request, access, token)
        answer = refusal if refusal is not None else await proceed(request)
        answer.headers["Content-Security-Policy"] = _POLICY
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/")
    def index() -> HTMLResponse:
        return render("dashboard.html")

    @app.get("/htmx.js")
    def htmx() -> FileResponse:
        return FileResponse(_HTMX, media_type="text/javascript")

    @app.get("/live")
    def changes(number: int) -> Response:
        if number == live.snapshot.number:
            return Response(status_code=204)  # htmx swaps nothing then
        return render("live.html")

    @app.get("/table")
    def table(name: str) -> Response:
        page = live.page(name)
        if page is None:
            return HTMLResponse(f"<p>There is no table {escape(name)}.</p>", status_code=404)
        return render("page.html", page=page)

    @app.post("/actions/{action}")
    def act(action: str, name: str) -> Response:
        return HTMLResponse(f"<p>{escape(_act(live, action, name))}</p>")

    return app


def _act(live: Live, action: str, name: str) -> str:
    judged = live.snapshot.judged
    table = next((each for each in judged.tables if each.name == name), None)
    if table is None or action not in ACTIONS:
        return f"There is no table {name} or no action {action}."
    try:
        told = ACTIONS[action](live.api, table, list(judged.runs(table)))
    except DuckherdError as error:
        return error.message
    live.hurry()
    return told


def _refusal(request: Request, access: Access, token: str) -> Response | None:
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    if host not in access.hosts:
        return PlainTextResponse(f"{host} is not a name of this dashboard", status_code=421)
    if access.auth is not None and not _authorized(request, access.auth):
        ask = {"WWW-Authenticate": 'Basic realm="Prefect API"'}
        return PlainTextResponse("the Prefect API's user and password", 401, headers=ask)
    if request.method in {"GET", "HEAD"}:
        return None
    if not access.actions:
        return PlainTextResponse("read-only: start it with --allow-actions", status_code=403)
    given = request.headers.get(_TOKEN, "")
    if not secrets.compare_digest(given.encode(), token.encode()):
        return PlainTextResponse("the page is out of date: reload it", status_code=403)
    return None


def _authorized(request: Request, auth: str) -> bool:
    expected = "Basic " + base64.b64encode(auth.encode()).decode()
    given = request.headers.get("authorization", "")
    return secrets.compare_digest(given.encode(), expected.encode())
