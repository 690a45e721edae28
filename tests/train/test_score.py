from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from tiny_speech import ALPHABET, FEATURES, RATE, make_job, write_split
from torch.nn import functional

from speechq.config import DataConfig
from speechq.data.batches import Dataset
from speechq.data.features import stack_frames
from speechq.data.shards import compute_store
from speechq.text.error_rates import character_errors, word_errors
from speechq.text.units import Units
from speechq.train.data import labels_of, make_dataset, make_units, read_split
from speechq.train.loop import Trainer
from speechq.train.score import Score, score
from speechq.train.speech import SpeechJob

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> SpeechJob:
    job = make_job(tmp_path_factory.mktemp("score"), train={"epochs": 15, "learning_rate": 0.03})
    Trainer(job).run()
    return job


def rated(job: SpeechJob, data: Dataset, references: list[str]) -> Score:
    return score(job.model, data, references, job.info.units, CPU)


def test_the_score_is_that_of_single_utterances(job: SpeechJob) -> None:
    data, units = job.train, job.info.units
    loss, labels, words, letters = 0.0, 0, [0, 0], [0, 0]
    job.model.eval()
    for item, reference in enumerate(job.dev_references):
        x = torch.from_numpy(stack_frames(data.normalized(item), data.features))[:, None]
        with torch.no_grad():
            logits, _ = job.model(x, torch.tensor([len(x)]))
        log_probs = logits[:, 0].log_softmax(-1)
        target = torch.tensor(data.labels[item])
        loss += float(
            functional.ctc_loss(
                log_probs, target, torch.tensor(len(x)), torch.tensor(len(target)), reduction="sum"
            )
        )
        labels += len(target)
        path = log_probs.argmax(-1).tolist()
        ids = [unit for k, unit in enumerate(path) if unit and (k == 0 or path[k - 1] != unit)]
        for total, count in ((words, word_errors), (letters, character_errors)):
            found = count(reference, units.decode(ids))
            total[0] += found.errors
            total[1] += found.reference
    result = rated(job, data, job.dev_references)
    assert result.loss == pytest.approx(loss / labels, rel=1e-5)
    assert result.wer == words[0] / words[1]
    assert result.cer == letters[0] / letters[1]


def test_scoring_leaves_the_network_in_its_mode(job: SpeechJob) -> None:
    for mode in (True, False):
        job.model.train(mode)
        rated(job, job.train, job.dev_references)
        assert job.model.training == mode


def test_utterances_too_short_for_their_transcript_do_not_spoil_the_loss(job: SpeechJob) -> None:
    labels = list(job.train.labels)
    labels[0] = [1] * 500
    whole, part = (
        rated(job, job.train, job.dev_references),
        rated(job, replace(job.train, labels=labels), job.dev_references),
    )
    assert math.isfinite(part.loss)
    assert (part.wer, part.cer) == (whole.wer, whole.cer)


def test_a_set_in_which_nothing_fits_has_a_score_without_nan(job: SpeechJob) -> None:
    labels = [[1] * 500] * len(job.train)
    result = rated(job, replace(job.train, labels=labels), job.dev_references)
    assert result.loss == 0.0
    assert 0 <= result.cer < math.inf


def test_recordings_shorter_than_a_frame_are_all_deletions(job: SpeechJob, tmp_path: Path) -> None:
    spoken = write_split(tmp_path, "short", 3)
    for utterance in spoken:
        samples, _ = soundfile.read(utterance.audio)
        soundfile.write(utterance.audio, samples[:200], RATE)
    store = compute_store(spoken, FEATURES, tmp_path / "features", workers=1)
    config = DataConfig(corpus="manifest", alphabet=ALPHABET, features=FEATURES)
    data = make_dataset(spoken, [store], job.info.units, config, job.train.stores[0])
    assert rated(job, data, [u.text for u in spoken]) == Score(0.0, 1.0, 1.0)


def test_a_dev_set_in_which_nothing_fits_is_announced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = make_job(tmp_path, train={"epochs": 1})
    job.dev = replace(job.train, labels=[[1] * 500] * len(job.train))
    Trainer(job).run()
    assert "every dev utterance is too short" in capfd.readouterr().err


# Labels and units


def test_an_utterance_begins_with_a_space_where_there_is_one() -> None:
    units = Units.characters(" ABC")
    assert labels_of("A B", units, boundary=True) == [1, 2, 1, 3]
    assert labels_of("A B", units, boundary=False) == [2, 1, 3]
    assert labels_of("AB", Units.characters("ABC"), boundary=True) == [1, 2]
    assert labels_of("aa b", Units.phones(["aa", "b"]), boundary=True) == [1, 2]


def test_phones_are_a_known_set_or_what_occurs() -> None:
    config = DataConfig(corpus="manifest", units="phones")
    assert len(make_units(config, ["sh iy hh", "ae d"])) == 40
    assert make_units(config, ["x1 x2", "x0"]).symbols[1:] == ("x0", "x1", "x2")


def test_word_pieces_are_learned_from_the_texts() -> None:
    pytest.importorskip("sentencepiece")
    texts = ["THE CAT SAT ON THE MAT", "THE DOG SAT ON THE CAT"] * 4
    units = make_units(DataConfig(corpus="manifest", units="pieces", pieces=30), texts)
    assert units.kind == "pieces"
    assert units.decode(units.encode(texts[0])) == texts[0]


def test_a_split_is_checked_against_the_units(tmp_path: Path) -> None:
    write_split(tmp_path, "train", 2)
    assert len(read_split(tmp_path / "train.jsonl", Units.characters(ALPHABET))) == 2
