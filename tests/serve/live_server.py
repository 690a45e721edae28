"""A server on a free port of this machine, and clients for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tiny_speech import RATE, random_text, tones
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from speechq import Recognizer
from speechq.serve.access import Access
from speechq.serve.hub import Hub
from speechq.serve.limits import Limits
from speechq.serve.listening import Address
from speechq.serve.server import make_server


class Running:
    """Where the server is, and its hub."""

    def __init__(self, port: int, hub: Hub) -> None:
        self.port, self.hub = port, hub
        self.http = f"http://127.0.0.1:{port}"

    def socket(self, **options: Any) -> ClientConnection:
        """A WebSocket, before its first message."""
        return connect(f"ws://127.0.0.1:{self.port}/v1/stream", compression=None, proxy=None, **options)

    def started(self, rate: int = 16000, **start: Any) -> ClientConnection:
        """A WebSocket whose stream has begun."""
        socket = self.socket()
        socket.send(json.dumps({"type": "start", "sample_rate": rate, **start}))
        assert json.loads(socket.recv(10))["type"] == "ready"
        return socket

    def until_free(self) -> None:
        """Wait for all streams to be gone."""
        deadline = time.monotonic() + 10
        while self.hub.sessions:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@contextmanager
def running(
    model: Path,
    limits: Limits = Limits(),
    access: Access = Access(),
    address: Address = Address(port=0),
) -> Iterator[Running]:
    server, hub, _ = make_server(Recognizer.load(model), address, limits, access)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield Running(server.servers[0].sockets[0].getsockname()[1], hub)
    finally:
        server.should_exit = True
        thread.join(20)
        hub.stop()


def pcm(samples: NDArray[np.float32]) -> bytes:
    """Samples in [-1, 1] as the wire has them."""
    return np.round(samples * 32767).astype("<i2").tobytes()


def speech(seed: int, texts: int = 3) -> bytes:
    """Texts of ``tiny_speech`` with pauses between, as the wire has them."""
    rng = np.random.default_rng(seed)
    return pcm(np.concatenate([tones(random_text(rng), rng, 0.2, 1.2) for _ in range(texts)]))


def offline(model: Path, data: bytes) -> list[dict[str, Any]]:
    """The segments that a stream with these samples must get."""
    recognizer = Recognizer.load(model)
    stream = recognizer.create_stream(endpointing=True)
    stream.accept_waveform(np.frombuffer(data, "<i2"), RATE)
    stream.input_finished()
    recognizer.decode([stream])
    return [{"type": "segment", **segment.to_json()} for segment in stream.segments()]


def talk(socket: ClientConnection, data: bytes, size: int = 3200) -> list[dict[str, Any]]:
    """Send a recording, finish, and give all that was answered."""
    for start in range(0, len(data), size):
        socket.send(data[start : start + size])
    socket.send('{"type": "finish"}')
    return list(heard(socket))


def heard(socket: ClientConnection) -> Iterator[dict[str, Any]]:
    """All messages until the server closes."""
    with suppress(ConnectionClosed):
        while True:
            yield json.loads(socket.recv(60))


def segments(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The finished segments among the messages."""
    return [message for message in messages if message["type"] == "segment"]
