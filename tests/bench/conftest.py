"""A small work folder with made-up recognition results; the tests of tables and report share it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from speechq.bench.results import (
    EvaluationResult,
    Sample,
    SensitivityPoint,
    Utterance,
    write_result,
    write_sample,
    write_sensitivity,
)
from speechq.files import write_json

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "near", "river", "stone"]
COUNT = 40
MakeResult = Callable[..., EvaluationResult]


@pytest.fixture(scope="session")
def make_result() -> MakeResult:
    """Build a result: each word is replaced with probability ``error``; equal ``noise`` gives equal texts."""

    def make(model: str, scheme: str, method: str, seed: int, error: float, size: int, **other: object):
        texts = np.random.default_rng(7)
        noise = np.random.default_rng(int(other.pop("noise", seed)))  # type: ignore[call-overload]
        utterances = []
        for index in range(COUNT):
            words = list(texts.choice(WORDS, texts.integers(2, 9)))
            heard = [word if noise.random() > error else word + "s" for word in words]
            corpus = "real" if index % 4 == 0 else "synth"
            utterances.append(Utterance(f"u{index:03}", corpus, " ".join(words), " ".join(heard), 1.5))
        values = {
            "decoder": "greedy",
            "split": "test",
            "mode": "utterance",
            "rtf": 0.01,
            "commit": "abc",
        } | other
        return EvaluationResult(
            model,
            scheme,
            method,
            seed,
            size_bytes=size,
            file=f"{model}.sqm",
            utterances=tuple(utterances),
            **values,
        )

    return make


@pytest.fixture(scope="session")
def work_dir(tmp_path_factory: pytest.TempPathFactory, make_result: MakeResult) -> Path:
    """A work folder with every part that the report reads. Not to be changed by tests."""
    folder = tmp_path_factory.mktemp("work")
    for seed in (1, 2):
        write_result(folder, make_result(f"float-s{seed}", "float", "float", seed, 0.12, 800_000))
        write_result(folder, make_result(f"float+-s{seed}", "float", "float+", seed, 0.10, 800_000))
        for bits, direct, retrained in ((2, 0.8, 0.2), (4, 0.3, 0.11), (8, 0.11, 0.1)):
            scheme, size = f"w{bits}a8", 100_000 * bits // 4
            write_result(
                folder, make_result(f"{scheme}-direct-s{seed}", scheme, "direct", seed, direct, size)
            )
            write_result(folder, make_result(f"{scheme}-sgd-s{seed}", scheme, "sgd", seed, retrained, size))
        run = folder / "train" / f"float-s{seed}"
        run.mkdir(parents=True)
        steps = [
            {"step": s, "epoch": 1, "loss": 90 / (1 + s), "rate": 1e-3, "grad_norm": 1.0} for s in range(300)
        ]
        epochs = [
            {"epoch": e, "dev_loss": 9 / e, "dev_wer": 0.5 / e, "dev_cer": 0.2 / e} for e in range(1, 5)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in steps + epochs))
    points = [
        SensitivityPoint(group, bits, retrained, 0.1 + 0.4 / bits**2, 0.05, 9.0, 0.1, 8.0)
        for group in ("l10.in", "l2.in", "out")
        for bits in (2, 4)
        for retrained in (False, True)
    ]
    write_sensitivity(folder, points)
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(40, 4)) * 3
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    fbank = generator.normal(size=(120, 10))
    write_sample(folder, Sample(fbank, log_probs, ("<blank>", " ", "<", "&"), "a < b & c", "a<b", 0.03))
    record = {
        "recipe": "mixed <tiny>",
        "config": {"model": {"cell": "sru", "layers": 2}, "note": "<script>alert(1)</script>"},
        "seed": 1,
        "commit": "0123456789abcdef",
        "dirty": True,
        "versions": {"python": "3.11"},
        "machine": {"processor": "test", "cores": 2},
        "wall_seconds": {"prepare": 1.5, "train": 4000.0},
        "parameters": 123456,
        "hours": {"train": 0.5},
    }
    write_json(folder / "run.json", record)
    return folder
