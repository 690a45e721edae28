from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_kneser_ney import LAST_TWICE, arpa

from speechq._native import Ngram
from speechq.errors import ConfigError, ModelError
from speechq.lm.binary import write_binary
from speechq.lm.score import open_model
from speechq.runtime.decoder import WordNgram

kenlm = pytest.importorskip("kenlm", reason="needs the Python module of KenLM (extra dev)")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ngram")
    found = {"arpa": arpa(folder, LAST_TWICE * 3 + "grüße a b\n", discount_fallback=True)}
    for bits in (4, 8):
        found[f"q{bits}"] = folder / f"{bits}.bin"
        write_binary(found["arpa"], found[f"q{bits}"], bits)
    return found


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.sampled_from(["a", "b", "c", "d", "grüße", "nowhere", "<unk>"]), max_size=8),
    bos=st.booleans(),
    eos=st.booleans(),
    kind=st.sampled_from(["arpa", "q4", "q8"]),
)
def test_scores_equal_the_kenlm_module(
    models: dict[str, Path], words: list[str], bos: bool, eos: bool, kind: str
) -> None:
    ours, theirs = Ngram(str(models[kind])), kenlm.Model(str(models[kind]))
    text = " ".join(words)
    assert ours.score(words, bos, eos) == pytest.approx(theirs.score(text, bos=bos, eos=eos), abs=1e-5)
    expected = [(score, oov) for score, _, oov in theirs.full_scores(text, bos=bos, eos=eos)]
    assert ours.word_scores(words, bos, eos) == expected


def test_what_a_model_knows(models: dict[str, Path]) -> None:
    for path in models.values():
        model = Ngram(str(path))
        assert model.order == 3
        assert len(model) == 3 + len({*LAST_TWICE.split(), "grüße"})
        assert "a" in model and "grüße" in model and "</s>" in model
        assert "nowhere" not in model and "<unk>" not in model


def test_more_bits_are_closer(models: dict[str, Path]) -> None:
    words = ["a", "c", "a", "e", "g", "b", "f"]
    exact = [score for score, _ in Ngram(str(models["arpa"])).word_scores(words)]
    errors = {
        bits: sum(
            abs(score - right)
            for (score, _), right in zip(
                Ngram(str(models[f"q{bits}"])).word_scores(words), exact, strict=True
            )
        )
        for bits in (4, 8)
    }
    assert errors[4] > 0 and errors[8] <= errors[4] and errors[8] < 0.01


def test_binary_files_are_the_same_every_time_and_of_the_quantized_trie(
    models: dict[str, Path], tmp_path: Path
) -> None:
    write_binary(models["arpa"], tmp_path / "again.bin")
    written = (tmp_path / "again.bin").read_bytes()
    assert written == models["q8"].read_bytes()
    assert written.startswith(b"mmap lm http://kheafield.com/code format version 5\n")
    assert [path.name for path in tmp_path.iterdir()] == ["again.bin"]


def test_scoring_in_many_threads(models: dict[str, Path]) -> None:
    model = Ngram(str(models["q8"]))
    text = (LAST_TWICE * 2000).encode()
    expected = model.score_text(text)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(model.score_text(text))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize("kind", ["arpa", "q8"])
@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_model_cut_short_is_refused(
    models: dict[str, Path], tmp_path: Path, kind: str, left: float
) -> None:
    whole = models[kind].read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(ModelError, match="cut: not a complete ARPA or KenLM binary file"):
        open_model(cut)


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("\\data\\", "data", "data"),
        ("ngram 1=", "ngram 1=9", "1-gram"),
        ("\\2-grams:", "\\3-grams:", "2-grams"),
        ("\\end\\", "", ""),
        ("-0.", "+0.", "[Pp]ositive"),
        ("-0.", "x0.", ""),
        ("\ta a\t", "\ta nowhere\t", ""),
        ("<s>", "\xff\xfe", "<s>"),
    ],
)
def test_a_damaged_arpa_file_is_refused(
    models: dict[str, Path], tmp_path: Path, old: str, new: str, reason: str
) -> None:
    text = models["arpa"].read_text(encoding="utf-8")
    assert old in text
    damaged = tmp_path / "damaged.arpa"
    damaged.write_bytes(text.replace(old, new).encode("latin-1"))
    with pytest.raises(ModelError, match=rf"damaged\.arpa: not a complete .*{reason}"):
        open_model(damaged)
    with pytest.raises(ModelError, match=rf"damaged\.arpa: not a complete .*{reason}"):
        write_binary(damaged, tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()


def _order(data: bytearray, order: int) -> None:
    data[88] = order


def _listed(data: bytearray) -> None:
    """The length of the list of words, behind the header's three counts."""
    data[136:144] = (1 << 40).to_bytes(8, "little")


def _spelling(data: bytearray, old: bytes, new: bytes) -> None:
    place = data.rindex(b"\0" + old + b"\0") + 1
    data[place : place + len(old)] = new


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: _order(data, 0), "order 0"),
        (lambda data: _order(data, 7), "order 7"),
        (_listed, "it lists 1099511627776 of 12 words"),
        (lambda data: _spelling(data, b"a", b"q"), "its vocabulary is damaged: word"),
        (lambda data: _spelling(data, "grüße".encode(), b"gr\xfc\xdfe!!"), "is not UTF-8 text"),
    ],
)
def test_damage_of_a_binary_file_that_can_be_known(
    models: dict[str, Path], tmp_path: Path, damage: Callable[[bytearray], None], reason: str
) -> None:
    """Some of it would end the process in KenLM."""
    data = bytearray(models["q8"].read_bytes())
    damage(data)
    (tmp_path / "damaged.bin").write_bytes(data)
    for reader in (open_model, WordNgram):
        with pytest.raises(ModelError, match=rf"damaged\.bin: .*{reason}"):
            reader(tmp_path / "damaged.bin")


def test_an_arpa_file_in_another_encoding_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    text = models["arpa"].read_text(encoding="utf-8")
    (tmp_path / "latin.arpa").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"latin\.arpa: .*is not UTF-8 text"):
        WordNgram(tmp_path / "latin.arpa")


def test_what_cannot_become_binary(models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    with pytest.raises(ModelError, match="KenLM binary file already"):
        write_binary(models["q8"], out)
    with pytest.raises(ModelError, match="there is no such file"):
        write_binary(tmp_path / "nothing.arpa", out)
    for bits in (1, 26):
        with pytest.raises(ConfigError, match="2 to 25"):
            write_binary(models["arpa"], out, bits)
    assert list(tmp_path.iterdir()) == []


def test_a_longer_model_than_kenlm_is_built_for_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    counts = "".join(f"ngram {length}=1\n" for length in range(1, 8))
    (tmp_path / "long.arpa").write_text(f"\\data\\\n{counts}\n\\1-grams:\n")
    with pytest.raises(ModelError, match="order 7"):
        open_model(tmp_path / "long.arpa")
