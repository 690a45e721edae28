from __future__ import annotations

import builtins
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.errors import ConfigError, DataError
from speechq.text.normalize import ALPHABET
from speechq.text.phones import PHONES_61
from speechq.text.units import BLANK, Units

TEXTS = [
    f"{a} {b} THE CAT SAT ON {c} MAT" for a in ("SEE", "HEAR") for b in ("HOW", "WHY") for c in ("MY", "A")
]


def test_default_alphabet_is_the_28_symbols_of_the_data_and_the_blank():
    units = Units.characters()
    assert len(units) == 29
    assert units.symbols[:4] == (BLANK, " ", "'", "A")
    assert units.encode("A B'") == [3, 1, 4, 2]


@given(st.text(ALPHABET))
def test_characters_round_trip(text):
    units = Units.characters()
    ids = units.encode(text)
    assert 0 not in ids
    assert units.decode(ids) == text


@given(st.lists(st.sampled_from(PHONES_61)))
def test_phones_round_trip(labels):
    units = Units.phones(PHONES_61)
    assert len(units) == 62
    assert units.decode(units.encode(" ".join(labels))) == " ".join(labels)


def test_encode_names_every_symbol_outside_the_alphabet():
    with pytest.raises(DataError, match=r"'4' 'é' in 'CAFé 4'"):
        Units.characters().encode("CAFé 4")
    with pytest.raises(DataError, match="'xx'"):
        Units.phones(PHONES_61).encode("aa xx")


@pytest.mark.parametrize("bad", [0, 29, -1])
def test_decode_refuses_the_blank_and_unknown_ids(bad):
    with pytest.raises(DataError, match=str(bad)):
        Units.characters().decode([3, bad])


def test_pieces_round_trip_without_sentencepiece_to_decode(monkeypatch):
    pytest.importorskip("sentencepiece")
    units = Units.train_pieces(TEXTS, 40)
    assert len(units) == 40
    encoded = [units.encode(text) for text in TEXTS]
    assert all(0 not in ids for ids in encoded)
    assert max(len(ids) for ids in encoded) < min(len(text) for text in TEXTS)

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "sentencepiece":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    fresh = Units.from_json(json.loads(json.dumps(units.to_json())))
    assert [fresh.decode(ids) for ids in encoded] == TEXTS
    with pytest.raises(ConfigError, match=r"speechq\[train\]"):
        fresh.encode("THE CAT")


def test_pieces_are_deterministic_and_name_unknown_characters():
    pytest.importorskip("sentencepiece")
    first, second = Units.train_pieces(TEXTS, 40), Units.train_pieces(TEXTS, 40)
    assert first == second
    with pytest.raises(DataError, match="Q"):
        first.encode("THE QUAY")
    assert Units.pieces(first.piece_model) == first


@pytest.mark.parametrize("size", [3, 100000])
def test_impossible_piece_counts_are_config_errors(size):
    pytest.importorskip("sentencepiece")
    with pytest.raises(ConfigError, match="word pieces"):
        Units.train_pieces(TEXTS, size)


def test_pieces_of_a_standard_model_leave_out_control_symbols():
    sentencepiece = pytest.importorskip("sentencepiece")
    import io

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=30, model_type="bpe", minloglevel=2
    )
    units = Units.pieces(model.getvalue())
    assert units.symbols[0] == BLANK
    assert not {"<unk>", "<s>", "</s>"} & set(units.symbols)
    assert units.decode(units.encode(TEXTS[0])) == TEXTS[0]
    with pytest.raises(DataError, match="SentencePiece"):
        Units.pieces(b"nonsense")


@pytest.mark.parametrize("units", [Units.characters("ab"), Units.phones(["aa", "h#"])])
def test_json_round_trip(units):
    assert Units.from_json(json.loads(json.dumps(units.to_json()))) == units


@pytest.mark.parametrize(
    "make",
    [
        lambda: Units("characters", ("a", "b")),
        lambda: Units("characters", (BLANK,)),
        lambda: Units("characters", (BLANK, "ab")),
        lambda: Units.characters("aba"),
        lambda: Units.phones(["aa", "b b"]),
        lambda: Units("words", (BLANK, "a")),
        lambda: Units.from_json({"kind": "characters"}),
        lambda: Units.from_json({"kind": "characters", "symbols": [BLANK, 3]}),
        lambda: Units.from_json({"kind": "pieces", "symbols": [BLANK, "a"], "piece_model": "!"}),
        lambda: Units.from_json({"symbols": [BLANK, "a"]}),
    ],
)
def test_bad_units_are_config_errors(make):
    with pytest.raises(ConfigError, match="units: "):
        make()


def test_units_of_a_language_model_have_the_sentence_end_where_the_blank_was() -> None:
    units = Units.characters(" AB")
    language = units.with_end()
    assert language.symbols == ("</s>", " ", "A", "B")
    assert language.encode("A B") == units.encode("A B") == [2, 1, 3]
    assert Units.from_json(language.to_json()) == language
