"""The beam search on streams: chunks, stable text, segments, constant memory, threads."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoder_cases import LETTERS, WORDS, every_cut, log_of_path, quick, seeds, spelled
from decoder_reference import HistoryLm, random_log_probs
from hypothesis import given
from hypothesis import strategies as st

from speechq.runtime import BeamDecoder


@given(seed=seeds, beam=st.integers(1, 20), depth=st.integers(1, 12), scale=st.floats(0.5, 6))
@quick
@pytest.mark.parametrize("closed", [False, True])
def test_chunks_and_stable_text(
    arpa: Path, closed: bool, seed: int, beam: int, depth: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, 60, 4, scale)
    decoder = BeamDecoder(
        LETTERS,
        lexicon=WORDS if closed else None,
        ngram=arpa,
        char_lm=HistoryLm(4, 0),
        hotwords=["ab a", ("bb" if not closed else "ba", 3.0)],
        beam=beam,
        depth=depth,
        beam_threshold=8,
    )
    whole = decoder.decode(log_probs)
    stream = decoder.stream()
    stable = ""
    for chunk in every_cut(rng, log_probs):
        stream.accept(chunk)
        assert stream.stable_text.startswith(stable)
        stable = stream.stable_text
    if not closed and whole[0].score > -math.inf:
        assert stable + stream.partial in {h.text for h in stream.best(1000)}
    assert stream.finish() == whole
    for hypothesis in whole:
        assert hypothesis.text.startswith(stable)
        assert hypothesis.text == " ".join(word.text for word in hypothesis.words)
        assert not closed or set(hypothesis.text.split()) <= set(WORDS)
        frames = [frame for _, frame in hypothesis.alignment]
        assert all(a < b for a, b in pairwise(frames))
        assert all(0 <= frame < 60 for frame in frames)
        assert all(0 <= word.confidence <= 1 + 1e-9 for word in hypothesis.words)


@pytest.mark.parametrize("with_char_lm", [False, True])
def test_memory_is_constant(arpa: Path, with_char_lm: bool) -> None:
    rng = np.random.default_rng(5)
    frames = 5_000 if with_char_lm else 100_000
    decoder = BeamDecoder(
        LETTERS,
        ngram=arpa,
        char_lm=HistoryLm(4, 1) if with_char_lm else None,
        beam=8,
        depth=20,
        beam_threshold=12,
        hotwords=["ab"],
    )
    stream = decoder.stream()
    native = stream._native
    most_nodes, sizes = 0, []
    for _ in range(10):
        for _ in range(frames // 100):
            stream.accept(random_log_probs(rng, 10, 4, 1.0))
            most_nodes = max(most_nodes, native.nodes)
        sizes.append(native.bytes)
    assert most_nodes <= 8 * 2 * 20 + 1
    assert sizes[-1] <= 2 * sizes[0]
    assert len(stream.stable_text) > frames / 20


def test_segments(arpa: Path) -> None:
    decoder = BeamDecoder(LETTERS, ngram=arpa)
    first, second = spelled("ab a", LETTERS), spelled("ba", LETTERS)
    stream = decoder.stream()
    stream.accept(first)
    assert stream.finish()[0] == decoder.decode(first)[0]
    assert (stream.stable_text, stream.partial) == ("", "")
    stream.accept(second)
    again = stream.finish()[0]
    alone = decoder.decode(second)[0]
    assert again.text == alone.text == "ba"
    assert again.score == pytest.approx(alone.score)
    assert [frame - len(first) for _, frame in again.alignment] == [frame for _, frame in alone.alignment]
    # A label that sounds on beyond the end of its segment is not said twice.
    held = log_of_path([0, 2, 2, 2, 2, 0, 0], 4, 0.99)
    stream.reset()
    stream.accept(held[:3])
    assert stream.finish()[0].text == "a"
    stream.accept(held[3:])
    assert stream.finish()[0].text == ""
    assert stream.frames == 7
    stream.reset()
    assert stream.frames == 0


def test_nothing_possible_keeps_the_stable_text() -> None:
    decoder = BeamDecoder(LETTERS, beam=1)
    log_probs = spelled("ab a", LETTERS)
    stream = decoder.stream()
    stream.accept(log_probs)
    stable = stream.stable_text
    assert stable
    stream.accept(np.full((3, 4), -np.inf))
    stream.accept(log_probs)
    best = stream.best()[0]
    assert best.score == -math.inf
    assert best.text == stable
    stream.finish()
    stream.accept(log_probs)
    assert stream.finish()[0].text == "ab a"


def test_streams_in_threads(arpa: Path) -> None:
    decoder = BeamDecoder(LETTERS, ngram=arpa, char_lm=HistoryLm(4, 2), beam=8)
    inputs = [random_log_probs(np.random.default_rng(seed), 80, 4) for seed in range(4)]
    expected = [decoder.decode(x) for x in inputs]
    found: list[Any] = [None] * 4

    def work(i: int) -> None:
        found[i] = decoder.decode(inputs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
