"""``speechq serve``"""

from __future__ import annotations

from pathlib import Path

import typer

from speechq.cli.arguments import MODEL

HELP = """Serve a model: live audio over a WebSocket, files over HTTP, and a page for the microphone at /.

Listens on this machine alone, unless told otherwise; then a token is needed. docs/server.md has the protocol.
Needs the extra `serve`.

Example: **speechq serve --port 8000**
"""


def serve(
    model: Path | None = MODEL,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8000, min=0, max=65535, help="Port to listen on."),
    max_streams: int = typer.Option(100, min=1, help="Live streams and files at the same time."),
    max_seconds: float = typer.Option(14400.0, min=1.0, help="Longest stream or file."),
    idle_seconds: float = typer.Option(30.0, min=0.1, help="A live stream without audio ends after these."),
    token: str = typer.Option("", envvar="SPEECHQ_TOKEN", help="What clients must know."),
    allow_origin: list[str] = typer.Option([], help="Origin of another page that may use the server."),
    tls_cert: Path | None = typer.Option(None, help="Certificate (PEM), for https."),
    tls_key: Path | None = typer.Option(None, help="Its key (PEM)."),
    threads: int = typer.Option(1, min=1, help="Threads of the network."),
) -> None:
    from speechq.cli.needs import extra
    from speechq.runtime.recognizer import Recognizer

    with extra("serve"):
        from speechq.serve.access import Access, check_exposure
        from speechq.serve.limits import Limits
        from speechq.serve.listening import Address, check_certificate
        from speechq.serve.server import serve as run

    check_exposure(host, token)
    address = Address(host, port, tls_cert, tls_key)
    check_certificate(address)
    recognizer = Recognizer.load(model, threads=threads)
    limits = Limits(streams=max_streams, stream_seconds=max_seconds, idle_seconds=idle_seconds)
    run(recognizer, address, limits, Access(token, tuple(allow_origin)))
