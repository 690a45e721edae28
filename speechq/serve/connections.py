"""Connections before their first request: how many there may be, and how long that may take."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def connection_type(most: int, seconds: float, retry_seconds: int) -> type[H11Protocol]:
    """The protocol of a connection of which there are at most ``most`` at a time, those of streams counted;
    others are told to come again. It is closed if a request takes longer than ``seconds`` to arrive."""
    full = (
        f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {retry_seconds}\r\n"
        "Content-Type: text/plain\r\nContent-Length: 31\r\nConnection: close\r\n\r\n"
        "there are too many connections\n"
    ).encode()

    class Connection(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > most:
                transport.write(full)
                transport.close()
            else:
                self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            waits = self.conn.their_state is h11.IDLE and self.transport.get_protocol() is self
            if not waits or self.transport.is_closing():
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(seconds, self.transport.close)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Connection


def allow_connections(most: int) -> None:
    """Let this process have so many open files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + 200  # the model, the listening sockets, uploads
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
