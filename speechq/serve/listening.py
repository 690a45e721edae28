"""The address that the server listens on, and its certificate: what is wrong with them is said first."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from speechq.errors import ConfigError


@dataclass(frozen=True)
class Address:
    """Where the server listens; port 0: any free one. With ``certificate`` (PEM) it speaks https; ``key`` may
    stand in the same file."""

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None


def bind(address: Address) -> list[socket.socket]:
    """Sockets with that address, not listening yet, as a name may stand for several; ConfigError if they
    cannot be had."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"--host {address.host}: no address of this machine ({reason})") from None
    opened: list[socket.socket] = []
    port = address.port
    try:
        for family, kind, protocol, _, place in found:
            opened.append(socket.socket(family, kind, protocol))
            opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened[-1].bind((place[0], port, *place[2:]))
            port = opened[-1].getsockname()[1]
    except OSError as error:
        for one in opened:
            one.close()
        raise ConfigError(
            f"--host {address.host} --port {port}: cannot be listened on ({error.strerror}); choose another "
            "one, or port 0 for any that is free"
        ) from None
    return opened


def check_certificate(address: Address) -> None:
    """ConfigError for a certificate and key that cannot be used, or a key alone."""
    certificate, key = address.certificate, address.key
    if certificate is None:
        if key is not None:
            raise ConfigError(f"--tls-key {key}: needs its certificate as well: --tls-cert")
        return
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{option} {path}: there is no such file; expected one in PEM format")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # nobody is asked for one
    except (ssl.SSLError, OSError, ValueError) as error:
        of = f"{certificate}" if key is None else f"{certificate} --tls-key {key}"
        raise ConfigError(
            f"--tls-cert {of}: expected a certificate and its unencrypted key in PEM format ({error})"
        ) from None
