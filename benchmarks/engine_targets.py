"""What the engine promises, measured: a Markdown table of targets, what was reached, what the bounds allow.

All contenders of a network run in one process on one thread, interleaved with their peers and with the
bounds of the machine (``speechq bench engine`` measures one network in the same way). Exit status 1 where a
target is missed.

    pip install -c constraints.txt -e '.[train,bench]'
    python benchmarks/engine_targets.py --model work/mixed/models/w4a8.sqm
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechq.bench.engine.loop import ROUNDS, SLICE_SECONDS, Measured
from speechq.bench.engine.ours import NAME
from speechq.bench.engine.peers import ONNX, SRU
from speechq.bench.engine.run import machine_note, run
from speechq.bench.engine.synthetic import Shape, synthetic_frames, synthetic_model
from speechq.data.features import Frontend
from speechq.errors import SpeechqError
from speechq.recipes.provenance import run_facts
from speechq.runtime.engine import Engine
from speechq.runtime.model_file import read_model

FLOAT, INT8 = 32, 8
PAPER_SPEEDUP = {4: 3.0, 16: 9.3}  # of SRU float on an ARM CPU (arXiv 1803.11389, abstract)
SHARE_OF_BOUND = 0.75
ELEMENTWISE = 0.20
REAL_TIME, REAL_TIME_WITH_FEATURES = 0.0015, 0.004
AUDIO_BLOCK = 8


@dataclass(frozen=True)
class Line:
    """A row of the table. ``bound``: the best that the measured bounds allow, if they say anything."""

    what: str
    target: str
    reached: str
    bound: str
    met: bool | None


def at_least(what: str, wanted: float, reached: float, bound: float) -> Line:
    """A target of being ``wanted`` times as fast as something."""
    return Line(what, f"≥ {wanted:.2f} x", f"{reached:.2f} x", f"{bound:.2f} x", reached >= wanted)


def share(what: str, wanted: float, reached: float) -> Line:
    """A target of reaching a share of a bound."""
    return Line(what, f"≥ {wanted:.0%}", f"{reached:.1%}", "100%", reached >= wanted)


def pick(measured: Sequence[Measured], engine: str, bits: int, block: int) -> Measured:
    """The measurement of one contender."""
    return next(
        one
        for one in measured
        if (one.contender.engine, one.contender.bits, one.contender.block) == (engine, bits, block)
    )


def least_us(one: Measured) -> float:
    """Microseconds per frame that no program with these weights can go below."""
    return max(one.read_us, one.compute_us)


def lstm_lines(measured: Sequence[Measured]) -> list[Line]:
    """LSTM against ONNX Runtime's 8-bit LSTM at the same block size."""

    def faster(bits: int, block: int, wanted: float) -> Line:
        one = pick(measured, NAME, bits, block)
        peer = pick(measured, ONNX, INT8, block).us_per_frame
        what = f"LSTM {bits} bit, T={block}, against ONNX Runtime int8"
        return at_least(what, wanted, peer / one.us_per_frame, peer / least_us(one))

    eight = pick(measured, NAME, 8, 1)
    lines = [
        share("LSTM 8 bit, T=1, of its bandwidth bound", 0.70, eight.read_us / eight.us_per_frame),
        faster(8, 1, 1.3),
        faster(4, 1, 4.5),
        faster(2, 1, 5.5),
        faster(4, 16, 2.5),
        faster(2, 16, 2.8),
        faster(3, 1, 4.0),
    ]
    for bits in (3, 5, 6):
        one = pick(measured, NAME, bits, 1)
        ratio = eight.us_per_frame / one.us_per_frame
        lines.append(
            Line(
                f"LSTM {bits} bit, T=1, against 8 bit",
                "> 1.00 x",
                f"{ratio:.2f} x",
                f"{eight.us_per_frame / least_us(one):.2f} x",
                ratio > 1,
            )
        )
    return lines


def sru_lines(measured: Sequence[Measured]) -> list[Line]:
    """SRU with 8-bit weights against the float SRU of the ``sru`` package and against the peak."""
    one = pick(measured, NAME, 8, 16)
    peer = pick(measured, SRU, FLOAT, 16).us_per_frame
    return [
        at_least("SRU 8 bit, T=16, against `sru` float", 15, peer / one.us_per_frame, peer / least_us(one)),
        share("SRU 8 bit, T=16, of the int8 peak", 0.65, one.compute_us / one.us_per_frame),
    ]


def wide_lines(measured: Sequence[Measured]) -> list[Line]:
    """A network beyond the cache: what more frames per weight read bring, for float and 8-bit weights."""
    lines = []
    for bits, name in ((FLOAT, "float"), (8, "8 bit")):
        single = pick(measured, NAME, bits, 1)
        size = f"{single.contender.shape.hidden} wide ({single.contender.weight_bytes / 1e6:.0f} MB)"
        for block, paper in PAPER_SPEEDUP.items():
            one = pick(measured, NAME, bits, block)
            most = min(block, single.read_us / one.compute_us)
            wanted = min(paper, SHARE_OF_BOUND * most)
            what = f"SRU {name} {size}, T={block} against T=1"
            lines.append(at_least(what, wanted, single.us_per_frame / one.us_per_frame, most))
    return lines


def elementwise_line(shape: Shape, bits: int, block: int = 16, repeats: int = 5) -> Line:
    """The share of gates, packing and quantizing, all but the products, in the time of a run."""
    engine = Engine(synthetic_model(shape, bits), block=block)
    frames = synthetic_frames(shape, 10 * block)
    shares = []
    for _ in range(repeats):
        # Apart from each other: reading the clock around every product would count as elementwise work.
        products = engine.products_seconds(frames)
        begin = time.perf_counter()
        engine.run([frames], [engine.initial_state()])
        shares.append(1 - products / (time.perf_counter() - begin))
    reached = statistics.median(shares)
    what = f"elementwise share, {shape.cell.upper()} {bits} bit, T={block}"
    return Line(what, f"≤ {ELEMENTWISE:.0%}", f"{reached:.1%}", "", reached <= ELEMENTWISE)


def real_time_lines(path: Path, audio: Path | None, rounds: int) -> list[Line]:
    """Seconds of processing per second of audio, without and with the features."""
    engine = Engine(path, block=AUDIO_BLOCK)
    model = read_model(path)
    samples = _samples(audio, model.features.sample_rate)
    network, features = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        frontend = Frontend(model.features, model.mean, model.scale)
        frames = np.concatenate([frontend.accept(samples), frontend.finish()])
        middle = time.perf_counter()
        engine.run([frames], [engine.initial_state()], finish=True)
        network.append(time.perf_counter() - middle)
        features.append(middle - begin)
    seconds = len(samples) / model.features.sample_rate
    without = statistics.median(network) / seconds
    whole = without + statistics.median(features) / seconds
    name = f"real-time factor of {path.name}, T={AUDIO_BLOCK}"
    return [
        Line(name, f"≤ {REAL_TIME}", f"{without:.5f}", "", without <= REAL_TIME),
        Line(
            f"{name}, features included",
            f"≤ {REAL_TIME_WITH_FEATURES}",
            f"{whole:.5f}",
            "",
            whole <= REAL_TIME_WITH_FEATURES,
        ),
    ]


def _samples(audio: Path | None, rate: int) -> NDArray[np.float32]:
    """The recording, or a minute of noise: the cost does not depend on what is said."""
    if audio is None:
        return np.random.default_rng(0).normal(0, 0.1, 60 * rate).astype(np.float32)
    samples, found = soundfile.read(audio, dtype="float32")
    if found != rate or samples.ndim != 1:
        sys.exit(f"{audio}: {found} Hz in shape {samples.shape}: expected one channel of {rate} Hz")
    return np.asarray(samples, np.float32)


def all_lines(
    *,
    layers: int = 4,
    hidden: int = 1024,
    wide: int = 2048,
    rounds: int = ROUNDS,
    slice_seconds: float = SLICE_SECONDS,
) -> tuple[list[Line], list[Measured]]:
    """Every target that needs no trained model, and the measurements behind them."""
    lstm, sru, large = Shape("lstm", layers, hidden), Shape("sru", layers, hidden), Shape("sru", layers, wide)
    repeats = {"rounds": rounds, "slice_seconds": slice_seconds}
    of_lstm = run(lstm, (2, 3, 4, 5, 6, 8, FLOAT), (1, 16), peers=True, **repeats)
    of_sru = run(sru, (2, 4, 8, FLOAT), (1, 16), peers=True, **repeats)
    of_large = run(large, (8, FLOAT), (1, 4, 16), **repeats)
    lines = [*lstm_lines(of_lstm), *sru_lines(of_sru), *wide_lines(of_large)]
    lines += [elementwise_line(sru, 8), *(elementwise_line(lstm, bits) for bits in (2, 4, 8))]
    return lines, [*of_lstm, *of_sru, *of_large]


def markdown(lines: Sequence[Line]) -> str:
    """The table of targets."""
    words = {True: "yes", False: "**no**", None: ""}
    rows = [
        "| what | target | reached | the bound allows | met |",
        "| --- | --: | --: | --: | --- |",
        *(
            f"| {line.what} | {line.target} | {line.reached} | {line.bound} | {words[line.met]} |"
            for line in lines
        ),
    ]
    return "\n".join(rows)


def details(measured: Sequence[Measured]) -> str:
    """Every measurement behind the targets."""
    rows = [
        "| engine | network | bits | T | µs per frame | reading, µs | products, µs | of the bound |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    for one in measured:
        c = one.contender
        bits = "float" if c.bits == FLOAT else str(c.bits)
        rows.append(
            f"| {c.engine} | {c.shape.cell.upper()} {c.shape.layers} x {c.shape.hidden} | {bits} | {c.block} "
            f"| {one.us_per_frame:.1f} | {one.read_us:.1f} | {one.compute_us:.1f} | {one.roofline:.0%} |"
        )
    return "\n".join(rows)


def main() -> int:
    """Measure and print; 1 where a target is missed, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, help="a 4-bit model file, for the real-time factors")
    parser.add_argument("--audio", type=Path, help="a recording for them; a minute of noise without it")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    load = os.getloadavg()[0]  # of the minute before: what the rest of the machine does
    try:
        lines, measured = all_lines(rounds=args.rounds)
        if args.model is not None:
            lines += real_time_lines(args.model, args.audio, args.rounds)
    except SpeechqError as error:
        print(error, file=sys.stderr)
        return 2
    facts = run_facts()
    machine = facts["machine"]
    peaks = {one.contender.arithmetic: one.gmacs for one in measured}
    print(
        f"{machine['processor']}, {machine['cores']} cores, load before {load:.1f}, commit {facts['commit']}."
    )
    print(f"{machine_note(Shape('lstm', 4, 1024), 1)}.")
    print(f"Peaks: {peaks['float']:.0f} float, {peaks['int8']:.0f} int8 GMAC/s. Cyclic reads, GB/s:")
    reads = {round(one.contender.weight_bytes / 1e6, 1): one.gb_per_s for one in measured}
    print(", ".join(f"{rate:.0f} over {size} MB" for size, rate in sorted(reads.items())) + ".\n")
    print(markdown(lines))
    if args.model is None:
        print("\nNot measured: the real-time factors, which need --model.")
    print(f"\n{details(measured)}")
    return 1 if any(line.met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
