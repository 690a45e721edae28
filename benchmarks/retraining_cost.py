"""What fixed-point retraining costs: the time of one training step (forward and backward) on the CPU.

Compares float and quantized layers of speechq with the `sru` package, torch.nn.LSTM and Brevitas'
QuantLSTM (extra `bench`; what is not installed is skipped with a note). All contenders run in one process
with the same number of threads, in interleaved rounds; other programs on the machine only ever add time,
so ratios are those of the fastest rounds, and medians stand beside them.

    python benchmarks/retraining_cost.py --threads 1 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from speechq.config import ModelConfig
from speechq.nn.acoustic import AcousticModel
from speechq.quant.scheme import parse_scheme

Step = Callable[[], None]

# (numerator, denominators of which the faster counts, what the ratio must not exceed)
TARGETS = [
    ("speechq SRU quantized", ("speechq SRU float", "sru package"), 1.5),
    ("speechq LSTM quantized", ("torch.nn.LSTM",), 2.0),
]


@dataclass
class Measurement:
    """Seconds of every round of one contender, by the clock and of processor time over all threads."""

    name: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)


def training_step(module: nn.Module, run: Callable[[], Tensor], before: Step | None = None) -> Step:
    """Forward, a simple loss, backward; ``before`` is what a training step does ahead of that."""

    def step() -> None:
        if before is not None:
            before()
        module.zero_grad(set_to_none=False)
        run().square().mean().backward()

    return step


def ours(cell: str, scheme: str, args: argparse.Namespace, x: Tensor) -> Step:
    """Our recurrent layers, quantized with adapting steps unless ``scheme`` is float."""
    config = ModelConfig(cell=cell, layers=args.layers, hidden=args.hidden)  # type: ignore[arg-type]
    model = AcousticModel(config, args.inputs, 30)
    lengths = torch.full((args.batch,), args.frames)
    quantized = scheme != "float"
    if quantized:
        model.attach(parse_scheme(scheme), "adaptive", per_row=True)
        model.calibrate(x[:50], torch.full_like(lengths, min(50, args.frames)))

    def run() -> Tensor:
        h = x
        for layer in model.train().recurrent_layers():
            h, _ = layer(h, layer.initial_state(args.batch), lengths)
        return h

    return training_step(model.layers, run, model.adapt_steps if quantized else None)


def sru_package(args: argparse.Namespace, x: Tensor) -> Step:
    import sru

    module = sru.SRU(args.inputs, args.hidden, num_layers=args.layers, rescale=True)
    return training_step(module, lambda: module(x)[0])


def torch_lstm(args: argparse.Namespace, x: Tensor) -> Step:
    module = nn.LSTM(args.inputs, args.hidden, num_layers=args.layers)
    return training_step(module, lambda: module(x)[0])


def brevitas_lstm(args: argparse.Namespace, x: Tensor) -> Step:
    from brevitas.nn import QuantLSTM

    scheme = parse_scheme(args.scheme)
    # By itself it quantizes gates, cell, accumulators and biases as well; here only what the scheme does.
    module = QuantLSTM(
        args.inputs,
        args.hidden,
        num_layers=args.layers,
        weight_bit_width=scheme.weight_bits,
        io_bit_width=scheme.signal("h"),
        bias_quant=None,
        gate_acc_quant=None,
        sigmoid_quant=None,
        tanh_quant=None,
        cell_state_quant=None,
    )
    return training_step(module, lambda: module(x)[0])


def contenders(args: argparse.Namespace, x: Tensor) -> tuple[dict[str, Step], list[str]]:
    """All contenders that can run here, and why others cannot."""
    makers: dict[str, Callable[[], Step]] = {
        "speechq SRU float": lambda: ours("sru", "float", args, x),
        "speechq SRU quantized": lambda: ours("sru", args.scheme, args, x),
        "sru package": lambda: sru_package(args, x),
        "torch.nn.LSTM": lambda: torch_lstm(args, x),
        "speechq LSTM float": lambda: ours("lstm", "float", args, x),
        "speechq LSTM quantized": lambda: ours("lstm", args.scheme, args, x),
        "Brevitas QuantLSTM": lambda: brevitas_lstm(args, x),
    }
    steps, notes = {}, []
    for name, make in makers.items():
        if args.only and not any(part.lower() in name.lower() for part in args.only.split(",")):
            continue
        try:
            steps[name] = make()
        except ImportError as error:
            notes.append(f"{name}: skipped, not installed ({error}); pip install 'speechq[bench]' brings it")
    return steps, notes


def measure(steps: dict[str, Step], rounds: int, slow_seconds: float) -> list[Measurement]:
    """One warm-up of each, then ``rounds`` rounds over all; one slower than ``slow_seconds`` runs twice."""
    results = [Measurement(name) for name in steps]
    warm_up = {}
    for name, step in steps.items():
        begin = time.perf_counter()
        step()
        warm_up[name] = time.perf_counter() - begin
    for k in range(rounds):
        for result in results:
            if k >= 2 and warm_up[result.name] > slow_seconds:
                continue
            cpu, wall = time.process_time(), time.perf_counter()
            steps[result.name]()
            result.seconds.append(time.perf_counter() - wall)
            result.cpu_seconds.append(time.process_time() - cpu)
    return results


def verdicts(results: list[Measurement]) -> list[dict[str, Any]]:
    """The ratios that are promised, of the fastest rounds and of medians."""
    fastest = {result.name: min(result.seconds) for result in results}
    middle = {result.name: statistics.median(result.seconds) for result in results}
    found = []
    for name, others, limit in TARGETS:
        present = [other for other in others if other in fastest]
        if name not in fastest or not present:
            continue
        base = min(present, key=fastest.__getitem__)
        ratio = fastest[name] / fastest[base]
        found.append(
            {"name": name, "base": base, "limit": limit, "ratio": ratio, "met": ratio <= limit}
            | {"ratio_of_medians": middle[name] / middle[base]}
        )
    return found


def table(results: list[Measurement], args: argparse.Namespace) -> str:
    """Times in milliseconds; each family relative to its float layer in speechq or torch."""
    bases = {"SRU": "speechq SRU float", "LSTM": "torch.nn.LSTM", "sru": "speechq SRU float"}
    fastest = {result.name: min(result.seconds) for result in results}
    shape = f"{args.layers} x {args.hidden}, batch {args.batch}, {args.frames} frames, {args.inputs} inputs"
    lines = [
        f"One training step, {shape}, {args.scheme}, threads {args.threads}",
        f"{'':26}{'fastest':>10}{'median':>10}{'cpu':>10}{'rounds':>8}  relative to",
    ]
    for result in results:
        base = next(bases[key] for key in bases if key in result.name)
        relative = f"{fastest[result.name] / fastest[base]:.2f} x {base}" if base in fastest else ""
        times = (min(result.seconds), statistics.median(result.seconds), min(result.cpu_seconds))
        cells = "".join(f"{1000 * seconds:7.0f} ms" for seconds in times)
        lines.append(f"{result.name:26}{cells}{len(result.seconds):8}  {relative}")
    return "\n".join(lines)


def main() -> int:
    """Measure and print; 1 where a promised ratio does not hold, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    for name, default in (("hidden", 512), ("layers", 3), ("batch", 16), ("frames", 300), ("inputs", 120)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scheme", default="w4a8")
    parser.add_argument("--only", default="", help="comma-separated parts of names, to run fewer contenders")
    parser.add_argument("--slow-seconds", type=float, default=10.0, help="slower contenders get two rounds")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    steps, notes = contenders(args, torch.randn(args.frames, args.batch, args.inputs))
    others = os.getloadavg()[0]  # of the minute before: what the rest of the machine does
    results = measure(steps, args.rounds, args.slow_seconds)
    promised = verdicts(results)
    # Threads that wait for each other lose out of all proportion where they have no core of their own, some
    # programs far more than others: such ratios say nothing, and are given but not judged.
    crowded = args.threads > 1 and args.threads + others > (os.cpu_count() or 1) + 0.5
    if crowded:
        notes.append(f"load {others:.1f} beside {args.threads} threads on {os.cpu_count()} cores: not judged")
        promised = [row | {"met": None} for row in promised]
    if args.json:
        rows = [
            asdict(result) | {"fastest": min(result.seconds), "median": statistics.median(result.seconds)}
            for result in results
        ]
        report = {"settings": vars(args), "results": rows, "load": others, "targets": promised}
        report["notes"] = notes
        print(json.dumps(report, indent=1))
    else:
        print(table(results, args))
        for row in promised:
            word = {True: "met", False: "MISSED", None: "not judged"}[row["met"]]
            ratios = f"{row['ratio']:.2f} (medians {row['ratio_of_medians']:.2f})"
            print(f"{row['name']} / {row['base']}: {ratios}, at most {row['limit']}: {word}")
        print(*notes, sep="\n", file=sys.stderr)
    return 1 if any(row["met"] is False for row in promised) else 0


if __name__ == "__main__":
    sys.exit(main())
