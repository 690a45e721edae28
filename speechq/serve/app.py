"""The routes of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from speechq.runtime.info import describe
from speechq.runtime.recognizer import Recognizer
from speechq.serve.access import LOOPBACK, Access
from speechq.serve.files import Transcriptions, api_error
from speechq.serve.hub import Hub
from speechq.serve.live import LiveStreams

_PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": "index.html",
    "/page.js": "page.js",
    "/worklet.js": "worklet.js",
    "/style.css": "style.css",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def model_facts(recognizer: Recognizer) -> dict[str, Any]:
    """What a client is told of the model."""
    facts = describe(recognizer.model)
    layers = [layer["kind"] for layer in facts["layers"]]
    return {
        "scheme": facts["scheme"],
        "layers": layers,
        "parameters": facts["parameters"],
        "bytes": facts["bytes"],
        "frame_seconds": 1 / facts["frames_per_second"],
        "units": facts["units"]["kind"],
        "decoder": type(recognizer.decoder).__name__,
    }


def make_app(hub: Hub, access: Access, *, loopback: bool) -> Starlette:
    """The application. With ``loopback`` only requests to a name of this machine are answered."""
    facts = model_facts(hub.recognizer)

    async def page(request: Request) -> Response:
        return FileResponse(_PAGE / _FILES[request.url.path], headers=_HEADERS)

    async def models(request: Request) -> Response:
        if not access.header_fits(request.headers):
            return api_error(401, "the token is missing or wrong", "authentication_error")
        model = {"id": "speechq", "object": "model", "created": 0, "owned_by": "speechq", "facts": facts}
        return JSONResponse({"object": "list", "data": [model]})

    async def health(request: Request) -> Response:
        value = {
            "status": "draining" if hub.draining else "ok",
            "streams": len(hub.sessions),
            "max_streams": hub.limits.streams,
        }
        return JSONResponse(value, 503 if hub.draining else 200)

    async def metrics(request: Request) -> Response:
        if not access.header_fits(request.headers):
            return api_error(401, "the token is missing or wrong", "authentication_error")
        text = hub.metrics.text(len(hub.sessions))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentence = "there is nothing here" if error.status_code == 404 else error.detail
        kind = "invalid_request_error"
        return api_error(error.status_code, f"{request.url.path}: {sentence}", kind, **(error.headers or {}))

    async def failed(request: Request, error: Exception) -> Response:
        return api_error(500, "internal error", "server_error")

    routes = [
        *(Route(path, page) for path in _FILES),
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/v1/models", models),
        Route("/v1/audio/transcriptions", Transcriptions(hub, access).__call__, methods=["POST"]),
        WebSocketRoute("/v1/stream", LiveStreams(hub, access, facts).__call__),
    ]
    hosts = [f"[{name}]" if ":" in name else name for name in LOOPBACK] if loopback else ["*"]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)]
    if access.origins:  # else a browser keeps the answers from their pages
        cors = Middleware(
            CORSMiddleware,
            allow_origins=access.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization"],
        )
        middleware.append(cors)
    handlers = {HTTPException: refused, Exception: failed}
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
