"""Running the application: sockets, signals, and the end that loses no word."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from speechq.progress import say
from speechq.runtime.recognizer import Recognizer
from speechq.serve.access import LOOPBACK, Access, check_exposure
from speechq.serve.app import make_app
from speechq.serve.connections import allow_connections, connection_type
from speechq.serve.hub import Hub
from speechq.serve.limits import Limits
from speechq.serve.listening import Address, bind, check_certificate


class Server(uvicorn.Server):
    """Ends at the first signal once running streams are finished, at the second one at once."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            say(f"http{'s' if self.config.is_ssl else ''}://{name}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal."""
        if self._hub.draining:
            super().handle_exit(sig, frame)
        else:
            self._hub.draining = True
            asyncio.get_running_loop().call_soon_threadsafe(self._drain, sig)

    def _drain(self, sig: int) -> None:
        self._draining = asyncio.create_task(self._end_streams(sig))

    async def _end_streams(self, sig: int) -> None:
        self._hub.drain()
        while self._hub.sessions:
            await asyncio.sleep(0.05)
        self.should_exit = True


def make_server(
    recognizer: Recognizer, address: Address, limits: Limits, access: Access
) -> tuple[Server, Hub, Starlette]:
    """A server that is ready to run; ConfigError if it would be open to the network without a token, or its
    certificate cannot be used."""
    check_exposure(address.host, access.token)
    check_certificate(address)
    hub = Hub(recognizer, limits)
    app = make_app(hub, access, loopback=address.host in LOOPBACK)
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
        http=connection_type(limits.connections, limits.request_seconds, limits.retry_seconds),
        ws="websockets-sansio",
        ws_max_size=limits.message_bytes,
        ws_per_message_deflate=False,  # a small message must not unfold into a large one
        ws_ping_timeout=None,  # an answer to a ping may wait long behind audio that is not read yet
        timeout_graceful_shutdown=5,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    return Server(config, hub), hub, app


def serve(recognizer: Recognizer, address: Address, limits: Limits, access: Access) -> None:
    """Listen until a signal comes; ConfigError if that is not possible."""
    opened = bind(address)
    allow_connections(limits.connections)
    server, hub, _ = make_server(recognizer, address, limits, access)
    try:
        server.run(opened)
    finally:
        hub.stop()
