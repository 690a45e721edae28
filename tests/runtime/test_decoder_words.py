"""Times and confidence of the words that the beam search finds."""

from __future__ import annotations

import numpy as np
from decoder_cases import LETTERS, log_of_path, quick, seeds, spelled
from hypothesis import given

from speechq.runtime import BeamDecoder


@given(seed=seeds)
@quick
def test_times_recover_the_path(seed: int) -> None:
    rng = np.random.default_rng(seed)
    path: list[int] = []
    truth: list[tuple[int, int]] = []
    for word in range(4):
        for unit in ([] if word == 0 else [1]) + [
            int(u) for u in rng.integers(2, 4, size=rng.integers(1, 4))
        ]:
            path += [0] * int(rng.integers(1, 5))
            truth.append((unit, len(path)))
            path.append(unit)
    path += [0] * 3
    best = BeamDecoder(LETTERS).decode(log_of_path(path, 4, 0.97))[0]
    assert best.alignment == tuple(truth)
    ends = [i for i, (unit, _) in enumerate(truth) if unit == 1]
    first = [0, *(i + 1 for i in ends)]
    last = [*(i - 1 for i in ends), len(truth) - 1]
    assert [(w.start, w.end) for w in best.words] == [
        (truth[a][1], truth[b][1] + 1) for a, b in zip(first, last, strict=True)
    ]


def test_the_time_is_that_of_the_peak() -> None:
    probs = np.full((9, 4), 0.01)
    probs[:, 0] = 0.97
    probs[3:6, 2] = (0.5, 0.9, 0.6)
    probs[3:6, 0] = 0.98 - probs[3:6, 2]
    best = BeamDecoder(LETTERS).decode(np.log(probs))[0]
    assert best.text == "a"
    assert best.alignment == ((2, 4),)


def test_confidence_follows_the_acoustics() -> None:
    units = [*LETTERS, "c"]
    sure = spelled("a b", units, frames=1)
    doubtful = sure.copy()
    doubtful[np.argmax(sure, axis=1) == 3] = np.log([0.01, 0.01, 0.01, 0.56, 0.41])
    a, b = BeamDecoder(units).decode(sure)[0].words
    assert a.confidence > 0.9 and b.confidence > 0.9
    a, b = BeamDecoder(units).decode(doubtful)[0].words
    assert a.confidence > 0.9
    assert 0.5 < b.confidence < 0.6
    # The same when the doubt was resolved long before the end.
    tail = log_of_path([0] * 20, 5, 0.98)
    stream = BeamDecoder(units, beam=8, depth=10).stream()
    stream.accept(np.concatenate([doubtful, tail, spelled(" " + "ab" * 20, units)]))
    assert stream.stable_text.startswith("a b ab")
    assert 0.5 < stream.finish()[0].words[1].confidence < 0.6
