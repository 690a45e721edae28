"""Pictures of the README: the server's page in Chromium, and what ``speechq listen`` shows.

    python docs/pictures.py RECORDING [MODEL]

writes ``docs/page.png`` and ``docs/listen.svg``. The recording is played to the page as its microphone, and
shown as the terminal shows it, at the speed of speech. Needs the extras ``serve`` and ``dev``, and Chromium.
"""

from __future__ import annotations

import html
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from playwright.sync_api import sync_playwright

from speechq import Recognizer
from speechq.cli.listen import present
from speechq.data.audio import read_audio
from speechq.runtime.microphone import FloatArray, level
from speechq.serve.access import Access
from speechq.serve.limits import Limits
from speechq.serve.server import Address, make_server

RATE = 16000
DOCS = Path(__file__).parent


def page(recognizer: Recognizer, samples: FloatArray) -> None:
    """Screenshot of the page after it has heard the recording once."""
    server, _, _ = make_server(recognizer, Address(port=0), Limits(), Access())
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        spoken = Path(folder) / "spoken.wav"
        silence = np.zeros(6 * RATE, np.float32)
        soundfile.write(spoken, soxr.resample(np.concatenate([samples, silence]), RATE, 48000), 48000)
        flags = [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={spoken}",
        ]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        shown = browser.new_page(viewport={"width": 820, "height": 560}, device_scale_factor=1.5)
        shown.goto(f"http://127.0.0.1:{port}")
        shown.click("#microphone")
        shown.wait_for_timeout(1000 * len(samples) / RATE + 2500)
        shown.screenshot(path=DOCS / "page.png")
        browser.close()
    server.should_exit = True
    thread.join()


Frame = tuple[float, list[list[tuple[str, str]]]]  # when it appears; lines of (text, colour)


def listen(recognizer: Recognizer, samples: FloatArray, piece: float = 0.2) -> Iterator[Frame]:
    """What the terminal shows, a frame for every ``piece`` seconds of sound."""
    stream = recognizer.create_stream(endpointing=True)
    finished: list[list[tuple[str, str]]] = []
    step = int(piece * RATE)
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        stream.accept_waveform(part, RATE)
        recognizer.decode([stream])
        finished += [[(segment.text, "#eee")] for segment in stream.segments()]
        text = present(stream.result, level(part))
        now = [(text.plain[span.start : span.end], str(span.style)) for span in text.spans]
        yield (start + len(part)) / RATE, [*finished, _coloured(text.plain, now)]
    stream.input_finished()
    recognizer.decode([stream])
    finished += [[(segment.text, "#eee")] for segment in stream.segments()]
    yield len(samples) / RATE + 0.3, finished


def _coloured(plain: str, styled: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A line in pieces: rich's styles as colours, what has none between them in white."""
    colours = {"green": "#4c4", "red": "#e44", "dim": "#888"}
    line, rest = [], plain
    for piece, style in styled:
        if not piece:
            continue
        before, _, rest = rest.partition(piece)
        line += [(before, "#eee"), (piece, colours[style])]
    return [*line, (rest, "#eee")]


def animation(frames: list[Frame], width: int = 84) -> str:
    """The frames as one SVG that plays once and stays at the last."""
    rows = max(len(lines) for _, lines in frames) + 1
    across, down = 8.4, 20
    box = f'viewBox="0 0 {width * across + 24:.0f} {rows * down + 28}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="monospace" font-size="14">',
        '<rect width="100%" height="100%" rx="8" fill="#1c1c1c"/>',
        f'<text x="12" y="{down + 4}" fill="#8cf">$ speechq listen</text>',
    ]
    ends = [*(at for at, _ in frames[1:]), None]
    for (at, lines), end in zip(frames, ends, strict=True):
        until = "" if end is None else f' end="{end:.2f}s"'
        parts.append(
            f'<g visibility="hidden"><set attributeName="visibility" to="visible" begin="{at:.2f}s"{until}/>'
        )
        for k, line in enumerate(lines):
            spans = "".join(f'<tspan fill="{c}">{html.escape(t)}</tspan>' for t, c in line if t)
            parts.append(f'<text x="12" y="{(k + 2) * down + 4}" xml:space="preserve">{spans}</text>')
        parts.append("</g>")
    return "".join([*parts, "</svg>\n"])


def main() -> None:
    recording, *model = sys.argv[1:]
    recognizer = Recognizer.load(*model)
    samples = read_audio(Path(recording))
    samples = np.concatenate([samples, np.zeros(RATE, np.float32)])
    (DOCS / "listen.svg").write_text(animation(list(listen(recognizer, samples))), encoding="utf-8")
    page(recognizer, samples)


if __name__ == "__main__":
    main()
