"""Where the server listens: addresses that cannot be had, certificates, and https and wss with one."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from commands import speechq
from live_server import heard, pcm, running, segments
from tiny_speech import RATE, tones
from websockets.sync.client import connect

from speechq.errors import ConfigError
from speechq.serve.access import Access
from speechq.serve.limits import Limits
from speechq.serve.listening import Address, bind, check_certificate

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="needs the program openssl for a certificate")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine for a day, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    make = [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject, *files]
    subprocess.run(make, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return tones("ACE BED", np.random.default_rng(1), 0.4, 1.2)


@needs_openssl
def test_streams_files_and_page_over_tls(
    tones_folder: Path, pem: tuple[Path, Path], samples: np.ndarray, tmp_path: Path
) -> None:
    trusting = ssl.create_default_context(cafile=pem[0])
    soundfile.write(tmp_path / "a.flac", samples, RATE)
    address = Address(port=0, certificate=pem[0], key=pem[1])
    with running(tones_folder, Limits(), Access("secret"), address) as server:
        url = f"https://127.0.0.1:{server.port}"
        with httpx.Client(base_url=url, verify=trusting, trust_env=False, timeout=60) as client:
            assert client.get("/").status_code == 200
            files = {"file": ("a.flac", (tmp_path / "a.flac").read_bytes())}
            answer = client.post(
                "/v1/audio/transcriptions", files=files, headers={"Authorization": "Bearer secret"}
            )
            assert answer.json() == {"text": "ACE BED"}
        socket_url = f"wss://localhost:{server.port}/v1/stream"
        with connect(socket_url, ssl=trusting, compression=None, proxy=None) as stream:
            stream.send(json.dumps({"type": "start", "sample_rate": RATE, "token": "secret"}))
            stream.send(pcm(samples))
            stream.send('{"type": "finish"}')
            found = list(heard(stream))
        assert [segment["text"] for segment in segments(found)] == ["ACE BED"]
        with pytest.raises(httpx.HTTPError):  # plain text is not understood
            httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False)
        with pytest.raises(ssl.SSLCertVerificationError):  # nor is the certificate trusted by everybody
            connect(socket_url, compression=None, proxy=None)


@needs_openssl
def test_a_certificate_and_its_key_may_stand_in_one_file(pem: tuple[Path, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(pem[1].read_text() + pem[0].read_text())
    check_certificate(Address(certificate=both))
    check_certificate(Address(certificate=pem[0], key=pem[1]))
    check_certificate(Address())


@needs_openssl
def test_certificates_that_cannot_be_used_are_named(pem: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = pem
    locked = tmp_path / "locked.pem"
    subprocess.run(
        [OPENSSL, "rsa", "-aes128", "-passout", "pass:xyz", "-in", key, "-out", locked],
        check=True,
        capture_output=True,
    )
    for address, expected in (
        (Address(key=key), "needs its certificate as well: --tls-cert"),
        (Address(certificate=tmp_path / "none.pem", key=key), "none.pem: there is no such file"),
        (Address(certificate=cert, key=tmp_path), "there is no such file"),
        (Address(certificate=cert), "expected a certificate and its unencrypted key"),
        (Address(certificate=key, key=cert), "expected a certificate and its unencrypted key"),
        (Address(certificate=cert, key=locked), "expected a certificate and its unencrypted key"),
    ):
        with pytest.raises(ConfigError, match=expected):
            check_certificate(address)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_an_address_that_cannot_be_had_is_a_sentence(taken: int, tones_model: Path) -> None:
    done = speechq("serve", tones_model, "--port", str(taken))
    assert done.returncode == 2
    assert f"--port {taken}: cannot be listened on (Address already in use)" in done.stderr
    assert "Traceback" not in done.stderr
    for host in ("no such host", "a" * 70):
        with pytest.raises(ConfigError, match="no address of this machine"):
            bind(Address(host, 0))
    with pytest.raises(ConfigError, match="cannot be listened on"):
        bind(Address("192.0.2.1", 0))  # an address for documentation, of no machine


def test_a_name_may_stand_for_several_addresses() -> None:
    opened = bind(Address("localhost", 0))
    try:
        assert len({one.getsockname()[1] for one in opened}) == 1
        assert {one.getsockname()[0] for one in opened} <= {"127.0.0.1", "::1"}
    finally:
        for one in opened:
            one.close()
