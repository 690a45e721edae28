from __future__ import annotations

import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import pytest
from decoder_reference import MARKER, HistoryLm, Reference, beam_search, random_log_probs, write_arpa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechq.errors import ConfigError, DataError, ModelError
from speechq.runtime import BeamDecoder
from speechq.runtime.decoder import Hypothesis, WordNgram
from speechq.runtime.lexicon import read_lexicon
from speechq.text.units import Units

EXACT: dict[str, Any] = {
    "beam": 100_000,
    "beam_threshold": math.inf,
    "depth": 1000,
    "symbol_threshold": -math.inf,
}
LETTERS = ["<blank>", " ", "a", "b"]
PHONES = ["<blank>", "K", "AE", "T"]
PIECES = ["<blank>", MARKER + "a", "b", MARKER + "b", MARKER]
WORDS = ["a", "b", "ab", "ba", "aa"]
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)
signed = st.floats(-3, 3, width=32)


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bigram that lacks the word aa, and words of more than two letters but aba."""
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    return write_arpa(path, ["a", "b", "ab", "ba", "aba"], np.random.default_rng(1))


@pytest.fixture(scope="module")
def phone_arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "phones.arpa"
    return write_arpa(path, ["cat", "kat", "at", "K", "AE"], np.random.default_rng(2))


def agrees(found: list[Hypothesis], expected: list[tuple[str, float, float, float, float]]) -> None:
    """The same texts with the same scores."""
    scores = {h.text: (h.score, h.acoustic, h.char_lm, h.ngram) for h in found}
    assert set(scores) == {text for text, *_ in expected}
    for text, *values in expected:
        np.testing.assert_allclose(scores[text], values, rtol=1e-6, atol=1e-5, err_msg=text)
    ordered = [h.score for h in found]
    assert ordered == sorted(ordered, reverse=True)


@given(seed=seeds, alpha=st.floats(0.125, 2, width=32), gamma=st.floats(0, 2, width=32), data=st.data())
@quick
@pytest.mark.parametrize("with_ngram", [False, True])
@pytest.mark.parametrize("with_char_lm", [False, True])
@pytest.mark.parametrize("kind", ["letters", "pieces", "each phone", "lexicon", "phone lexicon"])
def test_an_unbounded_beam_is_the_sum_over_all_alignments(
    arpa: Path,
    phone_arpa: Path,
    kind: str,
    with_char_lm: bool,
    with_ngram: bool,
    seed: int,
    alpha: float,
    gamma: float,
    data: st.DataObject,
) -> None:
    symbols = {"pieces": PIECES, "each phone": PHONES, "phone lexicon": PHONES}.get(kind, LETTERS)
    unit_kind = {"pieces": "pieces", "each phone": "phones", "phone lexicon": "phones"}.get(
        kind, "characters"
    )
    lexicon: dict[str, list[str]] | None = None
    if kind == "lexicon":
        lexicon = {"a": ["a"], "ab": ["ab"], "aba": ["aba"], "one": ["a", "ba"], "bb": ["bb"]}
    if kind == "phone lexicon":
        lexicon = {"cat": ["K AE T"], "kat": ["K AE T", "K T"], "at": ["AE T"], "k": ["K"], "tat": ["T AE T"]}
    hot = {"letters": ["a", "ab", "aa b", "b b", "abb"], "pieces": ["ab", "a b", "b"]}.get(
        kind, ["K AE", "K AE T", "T"] if kind == "each phone" else list(lexicon or ()) + ["a"][:0]
    )
    hotwords = data.draw(st.dictionaries(st.sampled_from(hot), signed, max_size=4))
    path = phone_arpa if unit_kind == "phones" else arpa
    weights = {
        "char_lm_weight": alpha,
        "ngram_weight": gamma,
        "word_bonus": data.draw(signed),
        "char_bonus": data.draw(signed),
        "oov_penalty": data.draw(signed),
    }
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, data.draw(st.integers(0, 5)), len(symbols))
    log_probs[rng.random(log_probs.shape) < 0.1] = -np.inf
    char_lm = HistoryLm(len(symbols), seed % 7) if with_char_lm else None
    decoder = BeamDecoder(
        Units(unit_kind, tuple(symbols)),
        lexicon=lexicon,
        ngram=path if with_ngram else None,
        char_lm=char_lm,
        hotwords=list(hotwords.items()),
        **weights,
        **EXACT,
    )
    reference = Reference(
        unit_kind,
        symbols,
        kenlm.Model(str(path)) if with_ngram else None,
        char_lm,
        lexicon,
        hotwords,
        **weights,
    )
    expected = reference.decode(log_probs)
    found = decoder.decode(log_probs, n_best=100_000)
    if expected:
        agrees(found, expected)
    else:
        assert [h.score for h in found] == [-math.inf]


@given(seed=seeds, beam=st.integers(1, 12), data=st.data())
@quick
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("with_ngram", [False, True])
@pytest.mark.parametrize("with_char_lm", [False, True])
def test_a_narrow_beam_keeps_the_best_candidates(
    arpa: Path,
    with_char_lm: bool,
    with_ngram: bool,
    closed: bool,
    seed: int,
    beam: int,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, 14, len(LETTERS), data.draw(st.floats(0.5, 4)))
    log_probs[rng.random(log_probs.shape) < 0.05] = -np.inf
    lexicon = WORDS if closed else None
    hot = WORDS if closed else [*WORDS, "ab a", "abb"]
    hotwords = data.draw(st.dictionaries(st.sampled_from(hot), signed, max_size=3))
    thresholds = {
        "beam_threshold": data.draw(st.floats(1, 12)),
        "symbol_threshold": data.draw(st.floats(-12, -1)),
    }
    weights = {
        "char_lm_weight": data.draw(st.floats(0.125, 2)),
        "ngram_weight": data.draw(st.floats(0, 2)),
        "word_bonus": data.draw(signed),
        "char_bonus": data.draw(signed),
        "oov_penalty": data.draw(signed),
    }
    char_lm = HistoryLm(4, seed % 7) if with_char_lm else None
    reference = Reference(
        "characters",
        LETTERS,
        kenlm.Model(str(arpa)) if with_ngram else None,
        char_lm,
        {word: [word] for word in WORDS} if closed else None,
        hotwords,
        **weights,
        vocabulary=("a", "b", "ab", "ba", "aba"),
    )
    expected = beam_search(reference, log_probs, beam=beam, **thresholds)
    decoder = BeamDecoder(
        LETTERS,
        lexicon=lexicon,
        ngram=arpa if with_ngram else None,
        char_lm=char_lm,
        hotwords=list(hotwords.items()),
        beam=beam,
        **thresholds,
        **weights,
    )
    found = {h.text: h.score for h in decoder.decode(log_probs, n_best=1000)}
    if expected:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-5)
    else:
        assert set(found.values()) == {-math.inf}


def every_cut(rng: np.random.Generator, log_probs: np.ndarray) -> list[np.ndarray]:
    count = int(rng.integers(0, len(log_probs) + 1))
    return np.split(log_probs, sorted(rng.integers(0, len(log_probs) + 1, size=count)))


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


@given(seed=seeds, scale=st.floats(0.5, 6))
@quick
def test_a_large_depth_changes_nothing(arpa: Path, seed: int, scale: float) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 50, 4, scale)
    deep, deeper = (BeamDecoder(LETTERS, ngram=arpa, beam=8, depth=depth) for depth in (60, 100_000))
    assert deep.decode(log_probs) == deeper.decode(log_probs)


@given(seed=seeds)
@quick
def test_a_wider_beam_is_no_worse_when_it_is_exact(arpa: Path, seed: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 5, 4)
    exact = BeamDecoder(LETTERS, ngram=arpa, **EXACT).decode(log_probs)[0].score
    for beam in (1, 4, 16):
        assert BeamDecoder(LETTERS, ngram=arpa, beam=beam).decode(log_probs)[0].score <= exact + 1e-9


def spelled(text: str, units: list[str], frames: int = 2, blank: int = 2, peak: float = 0.98) -> np.ndarray:
    """Each unit `frames` frames long, `blank` blanks before each and at the end."""
    path: list[int] = []
    for character in text:
        path += [0] * blank + [units.index(character)] * frames
    return log_of_path(path + [0] * blank, len(units), peak)


def log_of_path(path: list[int], symbols: int, peak: float) -> np.ndarray:
    probs = np.full((len(path), symbols), (1 - peak) / (symbols - 1))
    probs[np.arange(len(path)), path] = peak
    return np.log(probs).astype(np.float32)


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


def test_hotwords_are_taken_back(arpa: Path) -> None:
    plain = BeamDecoder(LETTERS, ngram=arpa)
    hot = BeamDecoder(LETTERS, ngram=arpa, hotwords=[("aba b", 4.0)])
    log_probs = spelled("aba ab", LETTERS, peak=0.99999)
    before, after = plain.decode(log_probs)[0], hot.decode(log_probs)[0]
    assert before.text == after.text == "aba ab"
    assert after.score == pytest.approx(before.score)
    complete = spelled("b aba b", LETTERS, peak=0.99999)
    assert hot.decode(complete)[0].score == pytest.approx(plain.decode(complete)[0].score + 4)


def test_hotwords_bring_out_unknown_words(arpa: Path) -> None:
    log_probs = spelled("abb", LETTERS, peak=0.99999)
    # Between the two b's hardly a blank: without help the known word wins.
    between = int(np.flatnonzero(np.argmax(log_probs, axis=1) == 3)[1]) + 1
    log_probs[between : between + 2] = np.log([0.2, 0.01, 0.01, 0.78])
    assert BeamDecoder(LETTERS, ngram=arpa).decode(log_probs)[0].text == "ab"
    boosted = BeamDecoder(LETTERS, ngram=arpa, hotwords=[("abb", 12.0)])
    assert boosted.decode(log_probs)[0].text == "abb"


def test_unknown_words_keep_the_score_of_the_character_model(arpa: Path) -> None:
    log_probs = spelled("bbb a", LETTERS, peak=0.999)
    model = HistoryLm(4, 3)
    weights = {"char_lm_weight": 0.5, "oov_penalty": -2.0}
    best = BeamDecoder(LETTERS, ngram=arpa, char_lm=model, **weights).decode(log_probs)[0]
    assert best.text == "bbb a"
    units = (3, 3, 3, 1)
    of_word = sum(float(model.row(units[:i])[unit]) for i, unit in enumerate(units))
    assert best.char_lm == pytest.approx(of_word)
    a, end = list(kenlm.Model(str(arpa)).full_scores("bbb a"))[1:]
    assert best.ngram == pytest.approx(math.log(10) * (a[0] + end[0]), rel=1e-6)
    assert best.score == pytest.approx(best.acoustic + 0.5 * of_word + best.ngram - 2)


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


def test_an_unfinished_word_of_a_lexicon_stays_out() -> None:
    decoder = BeamDecoder(LETTERS, lexicon=["aab", "b"], beam=4, symbol_threshold=-1.0)
    best = decoder.decode(spelled("b aa", LETTERS, peak=0.9999))[0]
    assert best.text == "b"
    assert best.score == -math.inf


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


def test_the_character_model_is_called_once_per_frame() -> None:
    model = HistoryLm(4, 0)
    BeamDecoder(LETTERS, char_lm=model).decode(random_log_probs(np.random.default_rng(0), 30, 4))
    assert 0 < model.calls <= 30


def test_errors_of_a_character_model_come_through() -> None:
    class Broken(HistoryLm):
        def advance(self, states: Any, units: Any) -> Any:
            raise KeyError("no such state")

    log_probs = random_log_probs(np.random.default_rng(0), 5, 4)
    stream = BeamDecoder(LETTERS, char_lm=Broken(4, 0)).stream()
    with pytest.raises(KeyError, match="no such state"):
        stream.accept(log_probs)
    stream.accept(log_probs)
    assert (stream.partial, stream.finish()[0].score) == ("", -math.inf)
    with pytest.raises(KeyError, match="no such state"):
        stream.accept(log_probs)
    with pytest.raises(ConfigError, match="char_lm"):
        BeamDecoder(LETTERS, char_lm=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5])
def test_values_that_are_no_log_probabilities(value: float) -> None:
    log_probs = random_log_probs(np.random.default_rng(0), 6, 4)
    stream = BeamDecoder(LETTERS).stream()
    stream.accept(log_probs)
    before = stream.best(5)
    log_probs[4, 2] = value
    with pytest.raises(DataError, match="frame 4, symbol 2 is"):
        stream.accept(log_probs)
    assert stream.best(5) == before
    assert stream.frames == 6


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 5), (1, 5, 4)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"expected \[frames, 4\]"):
        BeamDecoder(LETTERS).decode(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("beam", 0),
        ("beam", 1.5),
        ("depth", 0),
        ("beam_threshold", 0.0),
        ("beam_threshold", math.nan),
        ("symbol_threshold", 1.0),
        ("ngram_weight", -1.0),
        ("char_lm_weight", math.inf),
        ("oov_penalty", -math.inf),
        ("word_bonus", "much"),
    ],
)
def test_wrong_options(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        BeamDecoder(LETTERS, **{option: value})


def test_wrong_hotwords() -> None:
    with pytest.raises(DataError, match="hotword 'a x': the units cannot spell 'x'"):
        BeamDecoder(LETTERS, hotwords=["a x"])
    with pytest.raises(DataError, match="'ba' is not in the lexicon"):
        BeamDecoder(LETTERS, lexicon=["ab"], hotwords=["ab ba"])
    with pytest.raises(DataError, match="finite"):
        BeamDecoder(LETTERS, hotwords=[("a", math.nan)])
    with pytest.raises(DataError, match="empty"):
        BeamDecoder(LETTERS, hotwords=[" "])
    with pytest.raises(ConfigError, match="a list"):
        BeamDecoder(LETTERS, hotwords="ab")


def test_lexicon_files(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("cat K AE T\n\nat\tAE  T\ncat  K T\n", encoding="utf-8")
    assert read_lexicon(path) == [("cat", "K AE T"), ("at", "AE  T"), ("cat", "K T")]
    units = Units.phones(PHONES[1:])
    best = BeamDecoder(units, lexicon=path).decode(log_of_path([1, 0, 3, 0, 2, 3], 4, 0.97))[0]
    assert best.text == "cat at"
    assert [(w.text, w.start, w.end) for w in best.words] == [("cat", 0, 3), ("at", 4, 6)]
    path.write_text("cat K X\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot spell 'cat' as 'K X'"):
        BeamDecoder(units, lexicon=path)
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match="not UTF-8"):
        BeamDecoder(units, lexicon=path)
    path.write_text("\n")
    with pytest.raises(DataError, match="no words"):
        BeamDecoder(units, lexicon=path)
    with pytest.raises(DataError, match="cannot be read"):
        BeamDecoder(units, lexicon=tmp_path / "none.txt")
    with pytest.raises(DataError, match="no words"):
        BeamDecoder(units, lexicon=[])


def test_damaged_ngrams(arpa: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        BeamDecoder(LETTERS, ngram=tmp_path / "none.arpa")
    broken = tmp_path / "broken.arpa"
    text = arpa.read_text()
    broken.write_bytes(b"\\data\\\nngram 1=\xff\xfe\n")
    with pytest.raises(ModelError, match=r"broken\.arpa"):
        BeamDecoder(LETTERS, ngram=broken)
    for damage in (text[: len(text) // 2], "", "some text\n", text.replace("ngram 2=", "ngram 2=9")):
        broken.write_text(damage)
        with pytest.raises(ModelError, match=r"broken\.arpa"):
            BeamDecoder(LETTERS, ngram=broken)


def test_an_ngram_is_shared(arpa: Path) -> None:
    shared = WordNgram(arpa)
    log_probs = random_log_probs(np.random.default_rng(0), 20, 4)
    expected = BeamDecoder(LETTERS, ngram=arpa).decode(log_probs)
    assert BeamDecoder(LETTERS, ngram=shared).decode(log_probs) == expected
    assert BeamDecoder(LETTERS, ngram=shared, ngram_weight=2.0).decode(log_probs) != expected


def test_kinds_of_a_plain_list() -> None:
    assert BeamDecoder(LETTERS).units.kind == "characters"
    assert BeamDecoder(PHONES).units.kind == "phones"
    assert BeamDecoder(PIECES).units.kind == "pieces"
