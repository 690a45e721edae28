"""The server under load: clients in real time from another process, their lag and their words.

The lag of a stream is the time from sending the end of a piece of audio to the answer that tells that it has
been decoded.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from speechq.bench.said import with_pauses
from speechq.data.audio import SAMPLE_RATE
from speechq.data.manifest import read_manifest
from speechq.errors import ConfigError, DataError
from speechq.runtime.recognizer import Recognizer

_PIECE_SECONDS = 0.1
_PAUSE_SECONDS = 1.0  # between the utterances of a client

Row = dict[str, Any]


@dataclass
class Client:
    """What one client said and heard."""

    pcm: bytes
    lags: list[float] = field(default_factory=list)
    segments: list[Any] = field(default_factory=list)
    refused: bool = False
    finished: bool = False


def recordings(manifest: Path, seconds: float, count: int) -> list[bytes]:
    """``count`` different recordings of ``seconds``, utterances of the test set with pauses between."""
    endless = cycle(utterance.audio for utterance in read_manifest(manifest))
    parts = with_pauses(endless, _PAUSE_SECONDS, SAMPLE_RATE)
    made = []
    for _ in range(count):
        samples = np.zeros(0, np.float32)
        while len(samples) < seconds * SAMPLE_RATE:
            samples = np.concatenate([samples, next(parts)])
        samples = samples[: int(seconds * SAMPLE_RATE)]
        made.append(np.round(samples * 32767).astype("<i2").tobytes())
    return made


def offline(recognizer: Recognizer, pcm: bytes) -> list[Any]:
    """The segments of a recording in one piece, as the server must give them."""
    stream = recognizer.create_stream(endpointing=True)
    stream.accept_waveform(np.frombuffer(pcm, "<i2"), SAMPLE_RATE)
    stream.input_finished()
    recognizer.decode([stream])
    return [segment.to_json() for segment in stream.segments()]


@contextmanager
def server(model: Path, streams: int) -> Iterator[int]:
    """``speechq serve`` as a process of its own; its port."""
    command = [sys.executable, "-m", "speechq", "serve", str(model), "--port", "0"]
    command += ["--max-streams", str(streams)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r":(\d+)\s*$", process.stderr.readline())
        if found is None:
            raise DataError(f"the server did not start: {process.stderr.read().strip()}")
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


async def _talk(port: int, client: Client, delay: float) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    await asyncio.sleep(delay)
    url = f"ws://127.0.0.1:{port}/v1/stream"
    with suppress(ConnectionClosed):  # then it has not finished, which is told
        async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
            await _say(socket, client)


async def _say(socket: Any, client: Client) -> None:
    await socket.send(json.dumps({"type": "start", "sample_rate": SAMPLE_RATE}))
    if json.loads(await socket.recv())["type"] == "error":
        client.refused = True
        return
    sent: list[tuple[float, float]] = []
    reader = asyncio.create_task(_hear(socket, client, sent))
    size = 2 * int(_PIECE_SECONDS * SAMPLE_RATE)
    begun = time.perf_counter()
    for k, start in enumerate(range(0, len(client.pcm), size), 1):
        await asyncio.sleep(max(0.0, begun + k * _PIECE_SECONDS - time.perf_counter()))
        sent.append((min(k * size, len(client.pcm)) / 2 / SAMPLE_RATE, time.perf_counter()))
        await socket.send(client.pcm[start : start + size])
    await socket.send('{"type": "finish"}')
    await reader


async def _hear(socket: Any, client: Client, sent: list[tuple[float, float]]) -> None:
    answered = 0
    async for text in socket:
        message = json.loads(text)
        kind = message.pop("type")
        if kind == "partial":
            now = time.perf_counter()
            while answered < len(sent) and sent[answered][0] <= message["decoded"] + 1e-3:
                client.lags.append(now - sent[answered][1])
                answered += 1
        elif kind == "segment":
            client.segments.append(message)
        elif kind == "done":
            client.finished = True


async def _all(port: int, clients: Sequence[Client]) -> None:
    spread = _PIECE_SECONDS / max(1, len(clients))
    await asyncio.gather(*(_talk(port, client, k * spread) for k, client in enumerate(clients)))


def measure(model: Path, manifest: Path, counts: Sequence[int], seconds: float, most: int) -> list[Row]:
    """A row per number of clients: lag, and whether every stream has the words of decoding offline.

    At most ``most`` streams are served; clients beyond are refused, and counted.
    """
    if min(counts) < 1:
        raise ConfigError(f"--streams {','.join(map(str, counts))}: expected 1 or more clients")
    made = recordings(manifest, seconds, min(max(counts), 16))
    recognizer = Recognizer.load(model)
    expected = [offline(recognizer, pcm) for pcm in made]
    del recognizer
    rows = []
    for count in counts:
        with server(model, most) as port:
            clients = [Client(made[k % len(made)]) for k in range(count)]
            asyncio.run(_all(port, clients))
        served = [(k, client) for k, client in enumerate(clients) if not client.refused]
        lags = np.array([lag for _, client in served for lag in client.lags])
        if not len(lags):
            raise DataError(f"{model}: the server answered none of {count} clients within {seconds:g} s")
        equal = sum(client.finished and client.segments == expected[k % len(made)] for k, client in served)
        rows.append(
            {
                "streams": count,
                "served": len(served),
                "refused": count - len(served),
                "equal_to_offline": equal,
                "lag_median": round(float(np.median(lags)), 4),
                "lag_95": round(float(np.percentile(lags, 95)), 4),
                "lag_highest": round(float(lags.max()), 4),
                "seconds": seconds,
            }
        )
    return rows
