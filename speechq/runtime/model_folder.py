"""MODEL: a model file, or a folder with an acoustic model, its language models and their tuned weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechq.errors import ConfigError, ModelError
from speechq.runtime.char_model import CharModel
from speechq.runtime.decoder import BeamDecoder, CharLm, WordNgram
from speechq.runtime.decoder_settings import DecoderSettings, read_settings
from speechq.runtime.greedy import GreedyDecoder
from speechq.text.units import Units

ACOUSTIC, CHAR_LM, SETTINGS = "am.sqm", "lm.sqm", "decoder.json"
NGRAMS = ("words.bin", "words.arpa")  # the first that is there
DEFAULT = Path(__file__).parents[1] / "model"  # comes with the package; its README.md is the model card


@dataclass(frozen=True)
class ModelFiles:
    """The files that MODEL stands for; None for what is not there. ``settings`` is of ``decoder.json``,
    whose path is ``settings_file``."""

    acoustic: Path
    char_lm: Path | None = None
    ngram: Path | None = None
    settings_file: Path | None = None
    settings: DecoderSettings | None = None

    @property
    def calibrated(self) -> DecoderSettings:
        """The settings, or those that change nothing."""
        return self.settings or DecoderSettings()

    @property
    def size_bytes(self) -> int:
        """Bytes of the acoustic model and the language models together."""
        paths = (self.acoustic, self.char_lm, self.ngram)
        return sum(path.stat().st_size for path in paths if path is not None)

    def decoder(
        self,
        units: Units,
        *,
        char_lm: str | Path | CharModel | CharLm | None = None,
        ngram: str | Path | WordNgram | None = None,
        **options: Any,
    ) -> BeamDecoder | GreedyDecoder:
        """The decoder of these files for an acoustic model with ``units``.

        ``char_lm`` and ``ngram`` take the place of the files' own, ``options`` of :class:`BeamDecoder` that
        of the tuned ones. Greedy if there is neither a language model nor ``decoder.json`` nor an option.
        Raises ModelError, ConfigError or DataError, naming the file, for files and options that do not fit.
        """
        char_lm = char_lm if char_lm is not None else self.char_lm
        ngram = ngram if ngram is not None else self.ngram
        if char_lm is None and ngram is None and self.settings is None and not options:
            return GreedyDecoder(units)
        settings = self.calibrated
        if settings.lexicon is not None and self.settings_file is not None:
            options.setdefault("lexicon", self.settings_file.parent / settings.lexicon)
        return BeamDecoder(
            units,
            char_lm=char_lm,
            ngram=ngram,
            **{**settings.options.given(), **options},
        )


def divide(paths: Sequence[Path]) -> tuple[Path, list[Path]]:
    """``[MODEL] FILE...`` as model and files: the first path is the model if it is one, else ``DEFAULT``.

    Raises ConfigError where no file is left.
    """
    first, *others = paths
    if first.suffix != ".sqm" and not (first / ACOUSTIC).is_file():
        return DEFAULT, list(paths)
    if not others:
        raise ConfigError(f"{first}: a model alone; expected recordings behind it")
    return first, others


def find_model(path: str | Path | None = None) -> ModelFiles:
    """The files of MODEL, a model file ``*.sqm`` or a folder with ``am.sqm``; by default ``DEFAULT``.

    Raises ModelError for a path that is neither, and for a ``decoder.json`` that is not valid.
    """
    path = DEFAULT if path is None else Path(path)
    if path.is_file():
        return ModelFiles(path)
    if not path.is_dir():
        raise ModelError(f"{path}: no such model; expected a file .sqm or a folder with {ACOUSTIC}")
    if not (path / ACOUSTIC).is_file():
        raise ModelError(f"{path}: has no {ACOUSTIC}, the acoustic model of a model folder")
    settings = _there(path / SETTINGS)
    ngrams = [found for name in NGRAMS if (found := _there(path / name))]
    return ModelFiles(
        path / ACOUSTIC,
        _there(path / CHAR_LM),
        ngrams[0] if ngrams else None,
        settings,
        None if settings is None else read_settings(settings),
    )


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None
