"""When words appear, and when they cannot change any more, after they were said.

Audio comes in pieces of as many network frames as share a weight read, at the speed of speech, and is taken
to be decoded in no time: what is measured is the waiting that network, block and beam search make necessary.
The end of a word is where the final result puts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speechq.data.audio import read_audio
from speechq.data.manifest import Utterance, read_manifest
from speechq.errors import DataError
from speechq.progress import progress
from speechq.runtime.recognizer import Recognizer


def word_delays(recognizer: Recognizer, utterance: Utterance, block: int) -> list[tuple[float, float]]:
    """Of each word of the final text the seconds from its end until it appeared in its place for good, and
    until it was stable."""
    stream = recognizer.create_stream()
    rate = recognizer.model.audio().sample_rate
    samples = read_audio(utterance.audio, rate)
    size = round(block * stream.frame_seconds * rate)
    shown: list[tuple[float, tuple[str, ...], int]] = []  # seconds of audio given, words, stable ones of them
    for start in range(0, len(samples), size):
        stream.accept_waveform(samples[start : start + size], rate)
        recognizer.decode([stream])
        result = stream.result
        shown.append((stream.seconds, tuple(word.text for word in result.words), _closed(result.stable_text)))
    stream.input_finished()
    recognizer.decode([stream])
    final = stream.result.words
    texts = tuple(word.text for word in final)
    shown.append((stream.seconds, texts, len(texts)))
    delays = []
    for k, word in enumerate(final):
        # Until it appeared for good: behind the last result in which the words up to it were others.
        different = [i for i, (_, words, _) in enumerate(shown) if words[: k + 1] != texts[: k + 1]]
        appeared = shown[different[-1] + 1 if different else 0][0]
        stable = next(seconds for seconds, _, count in shown if count > k)
        delays.append((appeared - word.end, stable - word.end))
    return delays


def _closed(stable_text: str) -> int:
    """Words of the stable text that are complete: the last one may go on."""
    return len(stable_text.split()) - (0 if stable_text.endswith(" ") else 1) if stable_text else 0


def measure(
    model: Path, manifest: Path, blocks: Sequence[int], depths: Sequence[int], most: int
) -> list[dict[str, Any]]:
    """A row per block and depth: median and 95th percentile of the delays of all words, in seconds."""
    test = read_manifest(manifest)
    test = test[: most or len(test)]
    rows = []
    with progress("latency", len(blocks) * len(depths) * len(test), "utterances") as bar:
        for block in blocks:
            for depth in depths:
                recognizer = Recognizer.load(model, block=block, depth=depth)
                delays: list[tuple[float, float]] = []
                for utterance in test:
                    delays += word_delays(recognizer, utterance, block)
                    bar.advance()
                if not delays:
                    raise DataError(f"{manifest}: the model finds no words in these utterances")
                appears, stable = np.array(delays).T
                rows.append(
                    {
                        "block": block,
                        "depth": depth,
                        "words": len(delays),
                        "appears_median": round(float(np.median(appears)), 3),
                        "appears_95": round(float(np.percentile(appears, 95)), 3),
                        "stable_median": round(float(np.median(stable)), 3),
                        "stable_95": round(float(np.percentile(stable, 95)), 3),
                    }
                )
    return rows
