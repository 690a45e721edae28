"""Files over HTTP, health, metrics, and the end of the server."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from live_server import Running, heard, pcm, running, talk
from tiny_speech import RATE, environment, tones
from websockets.sync.client import connect

from speechq import Recognizer
from speechq.cli.serve import serve
from speechq.errors import ConfigError
from speechq.serve.access import Access
from speechq.serve.limits import Limits
from speechq.serve.metrics import Metrics

LIMITS = Limits(streams=2, upload_bytes=2_000_000, stream_seconds=60.0)
URL = "/v1/audio/transcriptions"
SHORTENED = b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"


@pytest.fixture(scope="module")
def server(tones_folder: Path) -> Iterator[Running]:
    with running(tones_folder, LIMITS) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.http, trust_env=False, timeout=60) as found:
        yield found


def recording(form: str = "FLAC", rate: int = RATE, text: str = "ACE B") -> bytes:
    written = io.BytesIO()
    soundfile.write(written, tones(text, np.random.default_rng(1), 0.5, 0.5), rate, format=form)
    return written.getvalue()


def wav(rate: int) -> bytes:
    """A recording whose header claims a rate."""
    written = io.BytesIO()
    soundfile.write(written, np.zeros(1000, np.int16), RATE, format="WAV")
    data = bytearray(written.getvalue())
    data[24:28] = rate.to_bytes(4, "little")
    return bytes(data)


def post(client: httpx.Client, data: bytes, **fields: str) -> httpx.Response:
    """As the OpenAI client does: a multipart form with model and file."""
    files = {"file": ("talk.flac", data, "application/octet-stream")}
    return client.post(URL, data={"model": "speechq", **fields}, files=files)


def test_a_file_in_every_format(client: httpx.Client, tones_folder: Path, tmp_path: Path) -> None:
    data = recording()
    (tmp_path / "a.flac").write_bytes(data)
    expected = Recognizer.load(tones_folder).transcribe(tmp_path / "a.flac", endpointing=True)
    assert post(client, data).json() == {"text": expected.text}
    assert post(client, data, response_format="text").text == f"{expected.text}\n"
    assert "-->" in post(client, data, response_format="srt").text
    vtt = post(client, data, response_format="vtt")
    assert vtt.text.startswith("WEBVTT")
    assert vtt.headers["content-type"].startswith("text/vtt")
    verbose = post(client, data, response_format="verbose_json").json()
    assert verbose["text"] == expected.text
    assert len(verbose["words"]) == 2
    assert [word["word"] for word in verbose["words"]] == expected.text.split()
    assert [word["start"] for word in verbose["words"]] == [round(w.start, 3) for w in expected.words]
    assert verbose["duration"] == pytest.approx(expected.end, abs=1e-3)


def test_what_is_wrong_has_the_form_of_openai(client: httpx.Client) -> None:
    cases = [
        (post(client, b"not audio"), 400, "talk.flac: cannot be read as audio"),
        (post(client, b""), 400, "talk.flac"),
        (post(client, recording(), response_format="doc"), 400, "response_format 'doc'"),
        (client.post(URL, data={"model": "x"}), 400, "the form has no file"),
        (client.post(URL, content=b"{}", headers={"content-type": "application/json"}), 400, "no file"),
        (client.post(URL, content=b"--x", headers={"content-type": "multipart/form-data"}), 400, "boundary"),
        (post(client, bytes(2_000_001)), 413, "2,000,000 bytes"),
        (client.get("/nowhere"), 404, "/nowhere"),
        (client.get(URL), 405, "Method Not Allowed"),
        (post(client, recording(), stream="true"), 400, "stream: the text of a file comes as a whole"),
        (post(client, wav(rate=(1 << 31) - 1)), 400, "sample rate 2147483647"),
        (post(client, SHORTENED), 400, "shorten-compressed"),
    ]
    for answer, status, expected in cases:
        error = answer.json()["error"]
        assert (answer.status_code, expected in error["message"]) == (status, True), error
        assert {"message", "type", "param", "code"} == set(error)


def test_a_body_without_a_length_is_counted(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield bytes(100_000)

    answer = client.post(URL, content=pieces(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413


def test_a_small_file_that_unfolds_into_a_long_recording_is_stopped(client: httpx.Client) -> None:
    written = io.BytesIO()
    soundfile.write(written, np.zeros(3000 * RATE, np.int16), RATE, format="FLAC")
    assert len(written.getvalue()) < 500_000
    answer = post(client, written.getvalue())
    assert answer.status_code == 413
    assert "60 seconds" in answer.json()["error"]["message"]


def test_files_and_streams_share_the_places(server: Running, client: httpx.Client) -> None:
    server.until_free()
    taken = [server.started() for _ in range(2)]
    answer = post(client, recording())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    for socket in taken:
        socket.close()
    server.until_free()
    assert post(client, recording()).status_code == 200


def test_health_and_metrics(server: Running, client: httpx.Client) -> None:
    server.until_free()
    talk(server.started(), pcm(tones("ACE", np.random.default_rng(1), 0.5, 0.5)))
    post(client, recording())
    server.until_free()
    assert client.get("/health").json() == {"status": "ok", "streams": 0, "max_streams": 2}
    text = client.get("/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['speechq_streams_total{kind="live"}']) >= 1
    assert float(values['speechq_streams_total{kind="file"}']) >= 1
    assert float(values["speechq_audio_seconds_total"]) > 2
    assert float(values["speechq_lag_seconds_count"]) == float(
        values['speechq_lag_seconds_bucket{le="+Inf"}']
    )


def test_metrics_are_in_the_format_of_prometheus() -> None:
    metrics = Metrics()
    metrics.add("refused_total", label='reason="busy"')
    for seconds in (0.005, 0.25, 9.0):
        metrics.lag(seconds)
    text = metrics.text(3)
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) .+|[a-z_]+(\{[a-z]+="[^"]+"\})? [0-9.e+-]+', line), line
    assert 'speechq_refused_total{reason="busy"} 1' in text
    assert 'speechq_lag_seconds_bucket{le="0.3"} 2' in text
    assert "speechq_lag_seconds_sum 9.255" in text
    assert "speechq_streams 3" in text


def test_the_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/page.js", "/worklet.js", "/style.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert not re.search(r"(src|href|import|url)\W{0,3}(https?:)?//", answer.text)
    assert client.get("/../hub.py").status_code == 404


def test_a_token_is_needed_everywhere_but_for_health_and_page(tones_model: Path) -> None:
    with (
        running(tones_model, LIMITS, Access("secret")) as server,
        httpx.Client(base_url=server.http, trust_env=False, timeout=60) as client,
    ):
        assert post(client, recording()).status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/v1/models").status_code == 401
        assert client.get("/health").status_code == 200
        client.headers["Authorization"] = "Bearer secret"
        assert post(client, recording()).json() == {"text": "ACE B"}
        client.headers["Origin"] = "https://bad.example"
        refused = post(client, recording())
        assert refused.status_code == 403
        assert "--allow-origin" in refused.json()["error"]["message"]


def test_pages_that_are_allowed_may_read_the_answers(tones_model: Path) -> None:
    origin = "https://good.example"
    with (
        running(tones_model, LIMITS, Access(origins=(origin,))) as server,
        httpx.Client(base_url=server.http, trust_env=False, timeout=60, headers={"Origin": origin}) as client,
    ):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for answer in (client.options(URL, headers=asked), post(client, recording())):
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
    for wrong in ("good.example", "https://good.example/", "*"):
        with pytest.raises(ConfigError, match="expected one such as"):
            Access(origins=(wrong,))


def test_the_client_of_openai_is_understood(tones_model: Path) -> None:
    openai = pytest.importorskip("openai")
    with running(tones_model, LIMITS, Access("secret")) as server:
        plain = httpx.Client(trust_env=False)
        options = {"base_url": f"{server.http}/v1", "http_client": plain, "max_retries": 0}
        create = openai.OpenAI(api_key="secret", **options).audio.transcriptions.create
        file = ("talk.flac", recording())
        (model,) = openai.OpenAI(api_key="secret", **options).models.list()
        assert model.id == "speechq"
        assert create(model="speechq", file=file).text == "ACE B"
        verbose = create(
            model="speechq", file=file, response_format="verbose_json", timestamp_granularities=["word"]
        )
        assert [word.word for word in verbose.words] == ["ACE", "B"]
        assert 0.3 < verbose.words[0].start < verbose.words[0].end < verbose.duration
        assert verbose.segments[0].text == "ACE B"
        assert "-->" in create(model="speechq", file=file, response_format="srt")
        with pytest.raises(openai.BadRequestError, match=r"notes\.txt: cannot be read as audio"):
            create(model="speechq", file=("notes.txt", b"notes"))
        with pytest.raises(openai.AuthenticationError, match="the token is missing or wrong"):
            openai.OpenAI(api_key="other", **options).audio.transcriptions.create(model="speechq", file=file)


def test_nobody_listens_on_the_network_without_a_token(tones_model: Path) -> None:
    with pytest.raises(ConfigError, match="choose a token"):
        serve(tones_model, "0.0.0.0", 0, 1, 1.0, 1.0, "", [], None, None, 1)


def test_the_end_finishes_running_streams(tones_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "speechq", "serve", str(tones_folder), "--port", "0"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        port = int(re.findall(r":(\d+)", line)[-1])
        socket = connect(f"ws://127.0.0.1:{port}/v1/stream", compression=None, proxy=None)
        socket.send('{"type": "start", "sample_rate": 16000}')
        assert json.loads(socket.recv(10))["type"] == "ready"
        data = pcm(tones("ACE BED", np.random.default_rng(1), 0.4, 0.3))
        messages = []
        reader = threading.Thread(target=lambda: messages.extend(heard(socket)))
        reader.start()
        for start in range(0, len(data), 3200):
            socket.send(data[start : start + 3200])
        deadline = time.monotonic() + 20
        while not any(message["type"] == "partial" and "BED" in message["text"] for message in messages):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        reader.join(20)
        assert [m["text"] for m in messages if m["type"] == "segment"] == ["ACE BED"]
        assert messages[-1]["type"] == "done"
        assert messages[-1]["reason"] == "shutdown"
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
