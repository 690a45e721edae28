"""Who may use the server: token, and the origins of pages that may."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from speechq.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Access:
    """``token`` empty: none is asked for. ``origins``: of other pages than the server's own."""

    token: str = ""
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for origin in self.origins:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or not parts.scheme.startswith("http"):
                raise ConfigError(f"--allow-origin {origin}: expected one such as https://example.org")

    def token_fits(self, given: str) -> bool:
        """Compared in a time that tells nothing about the token."""
        return not self.token or hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def header_fits(self, headers: Headers) -> bool:
        """Whether ``Authorization: Bearer TOKEN`` is right."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        return self.token_fits(given.strip() if kind.lower() == "bearer" else "")

    def origin_allowed(self, connection: HTTPConnection) -> bool:
        """Whether a browser's page may connect: one of this server, or of ``origins``; no browser: yes."""
        origin = connection.headers.get("origin")
        if origin is None or origin in self.origins:
            return True
        return urlsplit(origin).netloc == connection.headers.get("host", "")


def check_exposure(host: str, token: str) -> None:
    """ConfigError for a server that others on the network could use without a token."""
    if host not in LOOPBACK and not token:
        raise ConfigError(
            f"--host {host}: others on the network could use the server; choose a token by --token or "
            "SPEECHQ_TOKEN, or listen on 127.0.0.1"
        )
