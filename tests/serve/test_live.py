"""The WebSocket: the words of decoding offline, and clients that behave badly and disturb nobody."""

from __future__ import annotations

import json
import os
import random
import socket as sockets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_server import Running, heard, offline, pcm, running, segments, speech, talk
from tiny_speech import RATE, tones
from websockets.exceptions import ConnectionClosed, InvalidStatus

from speechq.serve.access import Access
from speechq.serve.limits import Limits

LIMITS = Limits(streams=8, idle_seconds=2.0, stream_seconds=60.0, message_bytes=1 << 16, backlog_seconds=1.0)


@pytest.fixture(scope="module")
def server(tones_folder: Path) -> Iterator[Running]:
    with running(tones_folder, LIMITS) as found:
        yield found


@pytest.mark.parametrize("size", [777, 3200, 60000])
def test_a_stream_has_the_words_of_decoding_offline(server: Running, tones_folder: Path, size: int) -> None:
    data = speech(1)
    messages = talk(server.started(), data, size)
    assert segments(messages) == offline(tones_folder, data)
    assert len(segments(messages)) == 3
    assert messages[-1] == {"type": "done", "reason": "finished", "seconds": round(len(data) / 2 / RATE, 3)}
    partials = [message for message in messages if message["type"] == "partial"]
    assert all(message["text"].startswith(message["stable_text"]) for message in partials)
    assert [message["decoded"] for message in partials] == sorted(message["decoded"] for message in partials)


def test_many_streams_at_once_have_each_its_own_words(server: Running, tones_folder: Path) -> None:
    found: dict[int, list[dict[str, Any]]] = {}

    def client(seed: int) -> None:
        found[seed] = segments(talk(server.started(), speech(seed)))

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for seed in range(6):
        assert found[seed] == offline(tones_folder, speech(seed))


def test_float_samples_and_channels_mean_the_same(server: Running, tones_folder: Path) -> None:
    data = speech(2, 1)
    values = np.frombuffer(data, "<i2").astype("<f4") / 32768
    both = np.stack([values, values], axis=1).tobytes()
    messages = talk(server.started(encoding="pcm_f32le", channels=2), both, 4001)
    assert segments(messages) == offline(tones_folder, data)


def test_keywords_may_change(server: Running) -> None:
    rng = np.random.default_rng(3)
    socket = server.started(keywords=["ACE"])
    socket.send(pcm(tones("ACE BED", rng, 0.4, 0.5)))
    messages = []
    while not any(message["type"] == "keyword" for message in messages):
        messages.append(json.loads(socket.recv(10)))
    socket.send(json.dumps({"type": "keywords", "keywords": ["FAD"]}))
    messages += talk(socket, pcm(tones("ACE FAD", rng, 0.4, 0.5)))
    assert [m["keyword"] for m in messages if m["type"] == "keyword"] == ["ACE", "FAD"]


def refusal(socket: Any) -> dict[str, Any]:
    """The error that ends a stream."""
    message = list(heard(socket))[-1]
    assert message["type"] == "error"
    return message


BAD_STARTS = [
    ("not json", "not JSON"),
    ("[" * 50_000, "not JSON"),
    ("3", "expected one of start"),
    ('{"type": ["start"]}', "expected one of start"),
    ('{"type": "finish"}', "first message must be start"),
    ('{"type": "start"}', "sample_rate: Field required"),
    ('{"type": "start", "sample_rate": 1e9}', "sample_rate"),
    ('{"type": "start", "sample_rate": 16000, "colour": 1}', "colour"),
    ('{"type": "start", "sample_rate": 16000, "keywords": ["é"]}', "keyword 'é'"),
    ('{"type": "start", "sample_rate": 16000, "\\ud800": 1}', "the message 'start'"),
    ('{"type": "' + "x" * 60_000 + '"}', "a message has the type 'xxx"),
    (json.dumps({"type": "start", "sample_rate": 16000, "keywords": ["A"] * 101}), "at most 100"),
    (b"\0\0", "first message must be start"),
]


@pytest.mark.parametrize(("message", "expected"), BAD_STARTS, ids=[str(k) for k in range(len(BAD_STARTS))])
def test_what_is_not_the_protocol_is_answered_with_a_sentence(
    server: Running, message: str | bytes, expected: str
) -> None:
    with server.socket() as socket:
        socket.send(message)
        error = refusal(socket)
        assert error["code"] == "protocol"
        assert expected in error["message"]
        assert len(error["message"]) <= 500
    server.until_free()


def test_bad_clients_do_not_disturb_a_good_one(server: Running, tones_folder: Path) -> None:
    """Garbage, half-closed sockets and clients that vanish, while another stream runs."""
    stop = threading.Event()

    def nuisance(seed: int) -> None:
        noise = random.Random(seed)
        while not stop.is_set():
            try:
                kind = noise.randrange(4)
                if kind == 0:
                    with sockets.create_connection(("127.0.0.1", server.port), 5) as raw:
                        raw.sendall(os.urandom(300) + b"\r\n\r\n")
                        raw.shutdown(sockets.SHUT_WR)
                        raw.recv(100)
                elif kind == 1:
                    with server.socket() as socket:
                        socket.send(os.urandom(noise.randrange(1, 500)))
                        list(heard(socket))
                elif kind == 2:
                    socket = server.started()
                    socket.send(os.urandom(2 * noise.randrange(1, 8000) + 1))  # noise, and half a sample
                    socket.socket.shutdown(sockets.SHUT_WR)
                    socket.socket.close()
                else:
                    socket = server.started()
                    socket.send('{"type": "start", "sample_rate": 16000}')
                    list(heard(socket))
            except (OSError, ConnectionClosed, InvalidStatus, AssertionError):
                pass

    threads = [threading.Thread(target=nuisance, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    try:
        for seed in range(4):
            messages = talk(server.started(), speech(seed))
            assert segments(messages) == offline(tones_folder, speech(seed))
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    server.until_free()


def test_too_many_streams_are_refused_with_a_time(server: Running) -> None:
    server.until_free()
    taken = [server.started() for _ in range(LIMITS.streams)]
    with server.socket() as socket:
        socket.send('{"type": "start", "sample_rate": 16000}')
        error = refusal(socket)
        assert (error["code"], error["retry_after"]) == ("busy", LIMITS.retry_seconds)
        assert "all 8 streams are taken" in error["message"]
    for socket in taken:
        socket.close()
    server.until_free()
    server.started().close()


def test_a_client_that_says_nothing_is_let_go(server: Running) -> None:
    with server.started() as socket:
        begun = time.monotonic()
        assert refusal(socket)["code"] == "idle"
        assert 1.5 < time.monotonic() - begun < 10
    server.until_free()


def test_a_stream_ends_at_its_longest(server: Running) -> None:
    with server.started(rate=8000) as socket:
        error: dict[str, Any] = {}
        try:
            for _ in range(200):
                socket.send(bytes(16000))
        except ConnectionClosed:
            pass
        error = refusal(socket)
        assert error["code"] == "too_long"
        assert "60 seconds" in error["message"]


def test_a_message_that_is_too_large_ends_the_connection(server: Running) -> None:
    socket = server.started()
    with pytest.raises(ConnectionClosed) as caught:
        socket.send(bytes(1 << 20))
        list(heard(socket))
        socket.send(b"")
    assert caught.value.rcvd is None or caught.value.rcvd.code == 1009
    server.until_free()


def test_a_client_faster_than_real_time_is_slowed_down(server: Running, tones_folder: Path) -> None:
    data = speech(5, 12)
    socket = server.started()
    most = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max([most, *(session.waiting for session in list(server.hub.sessions))])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        messages = talk(socket, data, 64000)
    finally:
        done.set()
        watcher.join()
    assert most <= LIMITS.backlog_seconds + 2.1  # one message more
    assert segments(messages) == offline(tones_folder, data)


def test_a_slow_reader_gets_every_segment(server: Running, tones_folder: Path) -> None:
    data = speech(6, 8)
    socket = server.started()
    for start in range(0, len(data), 3200):
        socket.send(data[start : start + 3200])
    socket.send('{"type": "finish"}')
    time.sleep(1.0)  # nothing is read meanwhile
    assert segments(list(heard(socket))) == offline(tones_folder, data)


def test_the_token_and_the_origin_are_checked(tones_model: Path) -> None:
    with running(tones_model, LIMITS, Access("secret", ("https://good.example",))) as server:
        with server.socket() as socket:
            socket.send('{"type": "start", "sample_rate": 16000, "token": "sécret"}')
            assert refusal(socket)["code"] == "unauthorized"
        with server.socket() as socket:
            socket.send('{"type": "start", "sample_rate": 16000, "token": "\\ud800"}')  # half a character
            assert refusal(socket)["code"] == "unauthorized"
        server.started(token="secret").close()
        with server.socket(additional_headers={"Authorization": "Bearer secret"}) as socket:
            socket.send('{"type": "start", "sample_rate": 16000}')
            assert json.loads(socket.recv(10))["type"] == "ready"
        with pytest.raises(InvalidStatus, match="403"):
            server.socket(origin="https://bad.example")
        server.socket(origin="https://good.example").close()
        server.socket(origin=f"http://127.0.0.1:{server.port}").close()
        with pytest.raises(InvalidStatus, match="400"):  # a name that an attacker points to this machine
            server.socket(additional_headers={"Host": "bad.example"})
