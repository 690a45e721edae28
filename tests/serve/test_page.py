"""The page in headless Chromium, whose microphone plays a recording."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from live_server import Running, running
from tiny_speech import RATE, tones

from speechq.serve.limits import Limits

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def server(tones_model: Path) -> Iterator[Running]:
    with running(tones_model, Limits(streams=2)) as found:
        yield found


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spoken") / "said.wav"
    rng = np.random.default_rng(1)
    # At the rate of sound cards, with noise up to its edge: the network has never heard less.
    samples = soxr.resample(tones("ACE BED", rng, 1.0, 2.5), RATE, 48000)
    soundfile.write(path, samples + 1.5e-3 * rng.standard_normal(len(samples)), 48000)
    return path


@pytest.fixture(scope="module")
def browser(spoken: Path) -> Iterator[Any]:
    flags = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, server: Running) -> Iterator[Any]:
    context = browser.new_context(permissions=["microphone"], viewport={"width": 900, "height": 700})
    found = context.new_page()
    problems: list[str] = []
    found.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    found.on("pageerror", lambda error: problems.append(str(error)))
    outside: list[str] = []
    found.on(
        "request",
        lambda request: (
            None if request.url.startswith((server.http, "data:")) else outside.append(request.url)
        ),
    )
    found.goto(server.http)
    yield found
    context.close()
    assert problems == []
    assert outside == []
    server.until_free()


def test_the_microphone_becomes_words(page: Any, tmp_path: Path) -> None:
    page.fill("#keywords", "bed")
    page.focus("#microphone")
    page.keyboard.press("Enter")
    # The recording is played again and again; a busy machine may drop a piece of it.
    page.locator("#transcript p", has_text=re.compile("^ACE BED *$")).first.wait_for(timeout=60_000)
    page.locator("#heard", has_text="BED at").wait_for()
    title = page.get_attribute(".word", "title")
    assert "confidence" in title
    assert page.inner_text("#lag").endswith("ms")
    assert "weights in 0.08 MB" in page.inner_text("#facts")
    page.screenshot(path=tmp_path / "page.png")
    assert page.get_attribute("#microphone", "aria-pressed") == "true"
    page.keyboard.press("Enter")
    page.locator("#microphone[aria-pressed=false]").wait_for()


def test_a_file_becomes_words(page: Any, spoken: Path) -> None:
    page.locator("#facts", has_text="weights in 0.08 MB").wait_for()  # before anything is said
    page.set_input_files("#file", spoken)
    page.locator("#transcript", has_text="ACE BED").wait_for(timeout=30_000)
    assert page.locator(".word").count() == 2
    page.click("#clear")
    assert page.inner_text("#transcript") == ""


def test_what_is_no_recording_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("no recording")
    page.set_input_files("#file", tmp_path / "notes.wav")
    page.locator("#message", has_text="notes.wav").wait_for()


def test_a_full_server_says_when_to_come_again(page: Any, server: Running, spoken: Path) -> None:
    taken = [server.started() for _ in range(2)]
    page.set_input_files("#file", spoken)
    page.locator("#message", has_text="Try again in 5").wait_for()
    for socket in taken:
        socket.close()
    server.until_free()
    page.locator("#microphone", has_text="Start microphone").wait_for()
    page.set_input_files("#file", spoken)
    page.locator("#transcript", has_text="ACE BED").wait_for(timeout=30_000)


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (900, "dark")])
def test_narrow_windows_and_dark_mode(browser: Any, server: Running, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page.goto(server.http)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(int(value) for value in background.strip("rgb()").split(","))
    assert (light > 600) == (scheme == "light")
    page.close()
