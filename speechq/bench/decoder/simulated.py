"""Log-probabilities as a CTC network might give them for a known text, where there is no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from speechq.bench.decoder.inputs import FloatArray, Inputs, closed
from speechq.lm.symbols import read_text
from speechq.text.units import Units

FRAME_SECONDS = 0.03
PEAK, NOISE = 7.0, 2.25


def text_inputs(path: Path, units: Units, most: int, seed: int = 0) -> Inputs:
    """Simulated utterances: ``most`` sentences of a plain or gzip text, one a line, drawn without return.

    Raises DataError for a text that cannot be read or that the units cannot spell.
    """
    text = read_text([path], units)
    sentences = np.split(text.symbols, text.ends())[:-1]
    rng = np.random.default_rng(seed)
    chosen = [sentences[k][:-1] for k in rng.permutation(len(sentences))[:most]]
    return Inputs(
        units,
        tuple(closed(simulate(symbols, len(units), rng), units) for symbols in chosen),
        tuple(units.decode([int(symbol) for symbol in symbols]) for symbols in chosen),
        FRAME_SECONDS,
        f"{len(chosen)} sentences of {path.name}, simulated (peak {PEAK}, noise {NOISE}, seed {seed})",
    )


def simulate(symbols: np.ndarray, size: int, rng: np.random.Generator) -> FloatArray:
    """Float32 [frames, size]: what a network hears that is often wrong in a symbol, but seldom in a word.

    Each symbol sounds for one or two frames, alike often, behind it a blank for one, and three blanks stand
    before the first and behind the last. All frames of a sound have the same logits: standard normal times
    ``NOISE``, and ``PEAK`` more for the symbol said. A second of 33 frames has about 13 symbols.
    """
    said = np.zeros(2 * len(symbols) + 1, np.int64)
    said[1::2] = symbols
    frames = np.ones(len(said), np.int64)
    frames[1::2] = rng.integers(1, 3, len(symbols))
    frames[[0, -1]] = 3
    logits = rng.normal(0.0, NOISE, (len(said), size))
    logits[np.arange(len(said)), said] += PEAK
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return np.repeat(log_probs, frames, axis=0).astype(np.float32)
