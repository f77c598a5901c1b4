"""What Prefect's server does around each request, with less work.

Its one middleware of its own passes each request and each answer through task groups and
streams of memory, and each of its small dependencies visits another thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.routing import Mount

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def install(app: FastAPI) -> None:
    """Change an application that has not answered yet; what it does not have is left out."""
    from fastapi.dependencies import utils

    if hasattr(utils, "run_in_threadpool"):
        setattr(utils, "run_in_threadpool", _at_once)  # noqa: B010  # a private name
    for route in app.routes:
        if isinstance(route, Mount) and hasattr(route.app, "user_middleware"):
            route.app.user_middleware[:] = map(_leaner, route.app.user_middleware)


async def _at_once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    # All of Prefect's synchronous dependencies only look something up.
    return function(*args, **kwargs)


def _leaner(middleware: Middleware) -> Middleware:
    dispatch = middleware.kwargs.get("dispatch")
    if getattr(dispatch, "__name__", None) == "default_content_type":
        return Middleware(DefaultContentType)
    return middleware


class DefaultContentType:
    """Prefect's `default_content_type`: a body of no type is JSON, as old clients send it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _WITH_BODY:
            headers = dict(scope["headers"])
            if b"content-type" not in headers and int(headers.get(b"content-length", b"0")) > 0:
                typed = [*scope["headers"], (b"content-type", b"application/json")]
                scope = {**scope, "headers": typed}
        await self._app(scope, receive, send)
