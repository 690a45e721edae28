"""Clients in numbers, silent and slow ones, and those who reach a limit: each is told and disturbs nobody."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_server import Running, heard, offline, pcm, running, segments, speech, talk
from tiny_speech import RATE, tones
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from speechq.serve.limits import Limits
from speechq.serve.live import _Pace

LIMITS = Limits(
    streams=4, idle_seconds=1.5, stream_seconds=90.0, send_seconds=1.0, request_seconds=1.0, retry_seconds=7
)


@pytest.fixture(scope="module")
def server(tones_folder: Path) -> Iterator[Running]:
    with running(tones_folder, LIMITS) as found:
        yield found


def said() -> bytes:
    return pcm(tones("ACE BED", np.random.default_rng(1), 0.4, 0.3))


def raw(server: Running, text: str = "") -> sockets.socket:
    """A connection without any protocol."""
    opened = sockets.create_connection(("127.0.0.1", server.port), 10)
    opened.sendall(text.encode())
    return opened


def until_closed(opened: sockets.socket) -> bytes:
    """What the server says until it closes."""
    found = b""
    while data := opened.recv(4096):
        found += data
    return found


def test_thousands_of_connects_do_not_disturb_a_stream(server: Running, tones_folder: Path) -> None:
    stop = threading.Event()
    count = 0

    def crowd() -> None:
        nonlocal count
        held: deque[sockets.socket] = deque()
        while count < 2000 or not stop.is_set():
            held.append(raw(server))
            count += 1
            if len(held) > 60:
                held.popleft().close()
        for one in held:
            one.close()

    stream = server.started()  # later the crowd may have taken all connections
    thread = threading.Thread(target=crowd)
    thread.start()
    try:
        messages = talk(stream, speech(4))
    finally:
        stop.set()
        thread.join(120)
    assert count >= 2000
    assert segments(messages) == offline(tones_folder, speech(4))


def test_connections_beyond_the_most_are_told_to_come_again(server: Running) -> None:
    held = [raw(server) for _ in range(LIMITS.connections + 3)]
    answers = [until_closed(one) for one in held]  # the others say nothing for too long, and are closed
    refused = [answer for answer in answers if answer]
    assert len(refused) >= 3
    assert all(
        answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 7\r\n" in answer for answer in refused
    )
    server.started().close()
    server.until_free()


@pytest.mark.parametrize("begun", ["", "GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(server: Running, begun: str) -> None:
    opened = raw(server, begun)
    start = time.monotonic()
    stop = threading.Event()

    def drip() -> None:
        while begun and not stop.wait(0.2):
            try:
                opened.sendall(b"X: y\r\n")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        until_closed(opened)
    except ConnectionResetError:
        pass
    finally:
        stop.set()
        thread.join()
    assert 0.8 < time.monotonic() - start < 8


def test_an_upload_that_stops_gives_its_place_back(server: Running) -> None:
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    opened = raw(server, f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n")
    deadline = time.monotonic() + 10
    while not server.hub.sessions:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert b"HTTP/1.1 408 " in until_closed(opened)
    server.until_free()


def test_one_who_does_not_read_is_let_go(server: Running) -> None:
    """A window of a few kilobytes, and answers that grow with the segment."""
    opened = sockets.socket()
    opened.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    opened.connect(("127.0.0.1", server.port))
    url = f"ws://127.0.0.1:{server.port}/v1/stream"
    with connect(url, sock=opened, compression=None, proxy=None, max_queue=1) as stream:
        stream.send(json.dumps({"type": "start", "sample_rate": RATE, "endpointing": False}))
        data = speech(3, 30)[: 2 * RATE * 85]
        try:
            for start in range(0, len(data), 3200):
                stream.send(data[start : start + 3200])
        except ConnectionClosed:
            pass
        server.until_free()


@pytest.mark.parametrize("code", ["too_long", "idle"])
def test_what_was_said_before_a_limit_is_answered(tones_folder: Path, server: Running, code: str) -> None:
    stream = server.started(endpointing=False)
    stream.send(said())
    if code == "too_long":
        try:
            for _ in range(100):
                stream.send(bytes(2 * RATE))
        except ConnectionClosed:
            pass
    messages = list(heard(stream))
    assert [segment["text"] for segment in segments(messages)] == ["ACE BED"]
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", code)


def test_samples_without_measure_are_refused(server: Running, tones_folder: Path) -> None:
    """Their sums would not be numbers, which would end every stream of a block."""
    good = server.started()
    good.send(speech(4))
    bad = server.started(encoding="pcm_f32le", channels=8)
    bad.send(np.tile(np.array([3e38, 3e38, 3e38, 3e38, -3e38, -3e38, -3e38, -3e38], "<f4"), 800).tobytes())
    error = list(heard(bad))[-1]
    assert error["code"] == "audio"
    assert "expected values in [-1, 1]" in error["message"]
    good.send('{"type": "finish"}')
    assert segments(list(heard(good))) == offline(tones_folder, speech(4))


def test_more_messages_than_allowed_are_read_later() -> None:
    async def waited(count: int) -> float:
        pace, begun = _Pace(), time.monotonic()
        for _ in range(count):
            await pace.wait(0.1)
        return time.monotonic() - begun

    assert asyncio.run(waited(10)) < 0.5
    assert asyncio.run(waited(15)) >= 0.45
