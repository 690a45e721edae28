"""The measuring loop: all decoders take turns on the same utterances, in one thread."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence

from speechq.bench.decoder.contender import Contender, Measured
from speechq.bench.decoder.inputs import Inputs
from speechq.progress import progress

ROUNDS = 3
COUNTED = 5  # utterances of which the beam is counted, frame by frame


def measure(contenders: Sequence[Contender], inputs: Inputs, rounds: int = ROUNDS) -> list[Measured]:
    """Decode all utterances ``rounds`` times with each contender, one after the other in each round.

    Times are those that the thread computed, so that other programs on the machine count only as far as they
    take caches and memory.
    """
    found = [Measured(contender) for contender in contenders]
    with progress("decoding", rounds * len(contenders), "passes") as bar:
        for _ in range(rounds):
            for one in found:
                one.texts, seconds = [], []
                for log_probs in inputs.log_probs:
                    begun = time.thread_time()
                    one.texts.append(one.contender.decode(log_probs))
                    seconds.append(time.thread_time() - begun)
                one.seconds.append(seconds)
                bar.advance(1, f"{one.contender.engine}, {one.contender.lm}, beam {one.contender.beam}")
    for one in found:
        _count(one, inputs)
    return found


def us_per_frame(measured: Measured, inputs: Inputs) -> float:
    """Microseconds: of each utterance the median over the rounds."""
    medians = [statistics.median(times) for times in zip(*measured.seconds, strict=True)]
    return 1e6 * math.fsum(medians) / inputs.frames


def _count(measured: Measured, inputs: Inputs) -> None:
    """Means per frame over the first utterances."""
    chosen = inputs.log_probs[:COUNTED]
    frames = sum(map(len, chosen))
    for log_probs in chosen:
        for name, value in measured.contender.count(log_probs).items():
            measured.counts[name] = measured.counts.get(name, 0.0) + value / frames
