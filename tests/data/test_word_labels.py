from __future__ import annotations

from pathlib import Path

import pytest

from speechq.data.manifest import Utterance, read_manifest
from speechq.data.word_labels import with_word_labels
from speechq.errors import DataError


def spoken(folder: Path, text: str = "HE WENT") -> Utterance:
    return Utterance("u", folder / "a.wav", 2.0, text, "s")


def test_labels_beside_the_audio_give_times(tmp_path: Path) -> None:
    assert with_word_labels(spoken(tmp_path)) == spoken(tmp_path)
    (tmp_path / "a.wrd").write_text("1600 3200 he\n3200 8000 went\n")
    found = with_word_labels(spoken(tmp_path))
    assert found.words == (("HE", 0.1, 0.2), ("WENT", 0.2, 0.5))
    assert found.times == ((0.1, 0.2), (0.2, 0.5))
    assert with_word_labels(spoken(tmp_path, "HE CAME")).times == ()
    (tmp_path / "a.wrd").write_text("1600 he\n")
    with pytest.raises(DataError, match=r"a\.wrd:1: '1600 he' is not 'start end word'"):
        with_word_labels(spoken(tmp_path))


def test_words_that_are_labelled_together_have_no_times_of_their_own(tmp_path: Path) -> None:
    words = (("HE", 0.0, 0.1), ("WENT ON", 0.2, 0.9))
    utterance = Utterance("u", tmp_path / "a.wav", 2.0, "HE WENT ON", "s", words=words)
    assert utterance.times == ((0.0, 0.1), None, None)


def test_the_sample_of_timit(shared: Path) -> None:
    found = [with_word_labels(u) for u in read_manifest(shared / "data" / "timit_sample" / "test.jsonl")]
    assert sum(len(u.times) == len(u.text.split()) for u in found) >= 0.9 * len(found)
