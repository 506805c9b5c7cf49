"""Prefect's server behind a guard: it answers under its own names and to its own pages alone.

Any page in a browser of this machine can send requests to 127.0.0.1, under that address or under a name of
its own that leads there. The allowed origins are Prefect's setting for CORS, which `flows.server.server`
sets; the allowed names are theirs and this machine's.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from prefect.server.api.server import create_app as prefect_app
from prefect.settings import get_current_settings
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

NAMES = ("127.0.0.1", "localhost")
REFUSED = "this server answers to its own pages alone"
POLICY_VIOLATION = 1008


class OwnPages:
    """Refuses what a page of another origin sends, over HTTP and over websockets.

    Programs that are no browser name no origin.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] in ("http", "websocket") else None
        if origin is None or origin in self._origins or "*" in self._origins:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(POLICY_VIOLATION, REFUSED)(scope, receive, send)
        else:
            await PlainTextResponse(REFUSED, HTTPStatus.FORBIDDEN)(scope, receive, send)


def create_app() -> ASGIApp:
    origins = [origin.strip() for origin in get_current_settings().server.api.cors_allowed_origins.split(",")]
    hosts = {*NAMES, *filter(None, (urlsplit(origin).hostname for origin in origins))}
    return TrustedHostMiddleware(
        OwnPages(prefect_app(), origins), allowed_hosts=sorted(hosts), www_redirect=False
    )
