"""What one client, and all clients together, may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Streams count live connections and files together.

    ``backlog_seconds`` of audio wait for a stream at most: then its client is not read from until some are
    decoded, so that one that sends faster than real time is slowed down and disturbs nobody.
    """

    streams: int = 100
    stream_seconds: float = 4 * 3600.0
    idle_seconds: float = 30.0
    send_seconds: float = 10.0  # a client that takes nothing for so long is let go
    backlog_seconds: float = 5.0
    request_seconds: float = 10.0  # a connection without a request is closed then
    message_bytes: int = 1 << 20
    messages: int = 1000  # a second; more are read later
    commands: int = 10  # of them in JSON
    upload_bytes: int = 200 << 20
    upload_seconds: float = 600.0
    keywords: int = 100
    retry_seconds: int = 5  # what a refused client is told to wait

    @property
    def connections(self) -> int:
        """At a time: streams and files, and as many of those who ask for the page or are refused."""
        return 2 * self.streams + 100
