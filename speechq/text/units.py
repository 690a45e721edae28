"""The symbols of a model: characters, phones or word pieces.

Symbol 0 is the CTC blank, or in the units of a language model the end of a sentence; all others are the same.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from speechq.errors import ConfigError, DataError
from speechq.text.normalize import ALPHABET

BLANK = "<blank>"
END = "</s>"
PIECE_SPACE = "\u2581"

UnitKind = Literal["characters", "phones", "pieces"]


@dataclass(frozen=True)
class Units:
    """Symbols in output order; ``piece_model``, a serialized SentencePiece model, is needed to encode."""

    kind: UnitKind
    symbols: tuple[str, ...]
    piece_model: bytes | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("characters", "phones", "pieces"):
            raise ConfigError(f"units: kind {self.kind!r} is not one of characters, phones, pieces")
        if self.symbols[:1] not in ((BLANK,), (END,)) or len(self.symbols) < 2:
            raise ConfigError(f"units: symbols must be {BLANK!r} or {END!r}, then at least one symbol")
        repeated = [symbol for symbol, count in Counter(self.symbols).items() if count > 1]
        if repeated:
            raise ConfigError(f"units: {sorted(repeated)} occur more than once; every symbol must be unique")
        for symbol in self.symbols[1:]:
            if self.kind == "characters" and len(symbol) != 1:
                raise ConfigError(f"units: {symbol!r} is not a single character")
            if self.kind != "characters" and (not symbol or symbol.split() != [symbol]):
                raise ConfigError(f"units: {symbol!r} must not be empty or hold white space")

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def separator(self) -> int:
        """The symbol that stands between words and belongs to none; 0 if there is none."""
        name = {"characters": " ", "pieces": PIECE_SPACE}.get(self.kind)
        return self.symbols.index(name) if name in self.symbols else 0

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols) if i > 0}

    @cached_property
    def _processor(self) -> Any:
        if self.piece_model is None:
            raise ConfigError(
                "units: these word pieces came without their SentencePiece model, so they only decode"
            )
        return _sentencepiece().SentencePieceProcessor(model_proto=self.piece_model)

    def encode(self, text: str) -> list[int]:
        """Symbol ids of ``text`` (phones: labels split at white space), never the blank.

        Raises DataError naming what the alphabet lacks.
        """
        if self.kind == "pieces":
            parts: Sequence[str] = self._processor.encode(text, out_type=str)
        else:
            parts = text.split() if self.kind == "phones" else text
        try:
            return [self._index[part] for part in parts]
        except KeyError:
            missing = sorted({part for part in parts if part not in self._index})
            names = " ".join(repr(part) for part in missing)
            raise DataError(
                f"{names} in {text!r} not in the {len(self) - 1} {self.kind} of the alphabet "
                f"({_shortened(self.symbols[1:])})"
            ) from None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of symbol ids without blanks; word pieces need no SentencePiece for this."""
        wrong = [i for i in ids if not 0 < i < len(self)]
        if wrong:
            raise DataError(
                f"symbol {wrong[0]} is not between 1 and {len(self) - 1} (0, the blank, has no text)"
            )
        names = [self.symbols[i] for i in ids]
        if self.kind == "phones":
            return " ".join(names)
        text = "".join(names)
        return text.replace(PIECE_SPACE, " ").removeprefix(" ") if self.kind == "pieces" else text

    def with_end(self) -> Units:
        """The units of a language model over these."""
        return replace(self, symbols=(END, *self.symbols[1:]))

    def to_json(self) -> dict[str, Any]:
        """A value for JSON headers; the piece model as base64."""
        value: dict[str, Any] = {"kind": self.kind, "symbols": list(self.symbols)}
        if self.piece_model is not None:
            value["piece_model"] = base64.b64encode(self.piece_model).decode("ascii")
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Units:
        """The inverse of ``to_json``; raises ConfigError for anything else."""
        symbols = value.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise ConfigError("units: 'symbols' must be a list of strings")
        encoded = value.get("piece_model")
        try:
            model = None if encoded is None else base64.b64decode(encoded, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise ConfigError("units: 'piece_model' must be base64 text") from None
        kind: Any = value.get("kind")
        return cls(kind, tuple(symbols), model)

    @classmethod
    def characters(cls, alphabet: str = ALPHABET) -> Units:
        """One symbol per character of ``alphabet``, in its order."""
        return cls("characters", (BLANK, *alphabet))

    @classmethod
    def phones(cls, labels: Iterable[str]) -> Units:
        """One symbol per phone label, in the given order."""
        return cls("phones", (BLANK, *labels))

    @classmethod
    def pieces(cls, model: bytes) -> Units:
        """The pieces of a serialized SentencePiece model, without its control symbols."""
        try:
            processor = _sentencepiece().SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise DataError(f"not a SentencePiece model: {error}") from None
        names = []
        for i in range(processor.get_piece_size()):
            if processor.is_byte(i):
                raise ConfigError(
                    "units: a SentencePiece model with byte fallback cannot be used; train one without"
                )
            if not (processor.is_unknown(i) or processor.is_control(i) or processor.is_unused(i)):
                names.append(processor.id_to_piece(i))
        return cls("pieces", (BLANK, *names), model)

    @classmethod
    def train_pieces(cls, texts: Iterable[str], size: int) -> Units:
        """Learn byte-pair word pieces from ``texts``; ``size`` counts all symbols with the blank.

        The same texts in the same order give the same units.
        """
        trainer = _sentencepiece().SentencePieceTrainer
        written = io.BytesIO()
        try:
            trainer.train(
                sentence_iterator=iter(texts),
                model_writer=written,
                model_type="bpe",
                vocab_size=size,
                character_coverage=1.0,
                normalization_rule_name="identity",
                # The one reserved id of the model; it holds the place that the blank takes here.
                unk_id=0,
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ConfigError(
                f"units: cannot learn {size} word pieces from this text; choose a size above its number of "
                f"different characters and below what it has words for ({error})"
            ) from None
        return cls.pieces(written.getvalue())


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise ConfigError(
            "word pieces need the package sentencepiece: pip install 'speechq[train]'"
        ) from None
    return sentencepiece


def _shortened(symbols: Sequence[str], most: int = 64) -> str:
    """The symbols for an error message."""
    shown = " ".join(repr(symbol) if symbol.isspace() else symbol for symbol in symbols[:most])
    return shown + (" ..." if len(symbols) > most else "")
