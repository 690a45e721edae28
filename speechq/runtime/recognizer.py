"""From audio to text: a packed model, its decoder, and the streams that share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from speechq.data.audio import audio_blocks
from speechq.errors import ModelError
from speechq.runtime.decoder import CharLm, WordNgram
from speechq.runtime.decoder_settings import DecoderSettings
from speechq.runtime.endpoint import RULES, EndpointRule
from speechq.runtime.engine import Engine, Mode
from speechq.runtime.graph import Model
from speechq.runtime.greedy import GreedyDecoder
from speechq.runtime.model_file import read_model
from speechq.runtime.model_folder import ModelFiles, find_model
from speechq.runtime.spotting import THRESHOLD, Detection
from speechq.runtime.stream import DecoderFactory, Stream
from speechq.runtime.transcript import Transcript, join

_MOST_FRAMES = 1024  # of a stream at a time, so that a long recording needs no memory for all its outputs
_BLOCK_SECONDS = 10.0


class Recognizer:
    """Turns audio into text; threads may share it. ``load`` makes one from files.

    ``endpoint_rules`` say where the segments of streams with endpointing end.
    """

    def __init__(
        self,
        model: Model,
        engine: Engine,
        decoder: DecoderFactory,
        settings: DecoderSettings | None = None,
        *,
        endpoint_rules: Sequence[EndpointRule] = RULES,
    ) -> None:
        self.model = model
        self.settings = settings or DecoderSettings()
        self.engine = engine
        self.decoder = decoder
        self.endpoint_rules = tuple(endpoint_rules)

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        char_lm: str | Path | CharLm | None = None,
        ngram: str | Path | WordNgram | None = None,
        *,
        mode: Mode = "hybrid",
        block: int = 16,
        threads: int = 1,
        endpoint_rules: Sequence[EndpointRule] = RULES,
        **decoder_options: Any,
    ) -> Recognizer:
        """The recognizer of a model file, or of a folder with ``am.sqm`` and what else it holds; by default
        of the model that comes with the package.

        ``char_lm`` and ``ngram`` take the place of the folder's language models, ``decoder_options`` of its
        tuned options of :class:`speechq.runtime.BeamDecoder`. ``mode``, ``block`` and ``threads`` are those
        of :class:`speechq.runtime.engine.Engine`. Raises ModelError, ConfigError or DataError, naming the
        file or the option, for what cannot be used.
        """
        files = find_model(model)
        acoustic = _acoustic(files)
        engine = Engine(files.acoustic, mode=mode, block=block, threads=threads)
        decoder = files.decoder(acoustic.units, char_lm=char_lm, ngram=ngram, **decoder_options)
        return cls(acoustic, engine, decoder, files.settings, endpoint_rules=endpoint_rules)

    @classmethod
    def load_greedy(cls, model: str | Path) -> Recognizer:
        """The same without language models and beam, as keyword spotting needs neither."""
        files = find_model(model)
        acoustic = _acoustic(files)
        return cls(acoustic, Engine(files.acoustic), GreedyDecoder(acoustic.units))

    def create_stream(self, endpointing: bool = False) -> Stream:
        """A new recording. With ``endpointing`` it is divided into segments at pauses."""
        rules = self.endpoint_rules if endpointing else ()
        return Stream(self.engine, self.model, self.decoder, self.settings, rules)

    def decode(self, streams: Iterable[Stream]) -> None:
        """Decode all that the streams have taken, the networks of all streams as one block.

        How audio is divided among calls, and which streams share one, changes no bit of any result.
        """
        waiting = sorted(set(streams), key=lambda stream: stream.number)
        with ExitStack() as stack:
            for stream in waiting:  # always in this order, so that two calls cannot wait for each other
                stack.enter_context(stream.lock)
            while waiting := [stream for stream in waiting if stream.is_ready]:
                taken = [(stream, *stream.take(_MOST_FRAMES)) for stream in waiting]
                for last in (False, True):
                    self._step([(stream, frames) for stream, frames, end in taken if end is last], last)

    def _step(self, group: Sequence[tuple[Stream, Any]], last: bool) -> None:
        if not group:
            return
        states = [stream.state for stream, _ in group]
        outputs = self.engine.run([frames for _, frames in group], states, finish=last)
        for (stream, _), log_probs in zip(group, outputs, strict=True):
            stream.push(log_probs, last)

    def spot(
        self, path: str | Path, keywords: Sequence[str], threshold: float = THRESHOLD
    ) -> list[Detection]:
        """Where the keywords are said in a recording; DataError if it or a keyword cannot be used."""
        stream = self.create_stream(endpointing=True)
        stream.set_keywords(keywords, threshold)
        for samples, rate in audio_blocks(path, _BLOCK_SECONDS):
            stream.accept_waveform(samples, rate)
            self.decode([stream])
            stream.segments()
        stream.input_finished()
        self.decode([stream])
        return stream.detections()

    def transcribe(self, path: str | Path, *, endpointing: bool = False) -> Transcript:
        """The text of a recording of any format and rate; DataError if it cannot be read.

        It is read in pieces, so its length does not matter. With ``endpointing`` the language models begin
        anew after pauses.
        """
        stream = self.create_stream(endpointing)
        segments: list[Transcript] = []
        for samples, rate in audio_blocks(path, _BLOCK_SECONDS):
            stream.accept_waveform(samples, rate)
            self.decode([stream])
            segments += stream.segments()
        stream.input_finished()
        self.decode([stream])
        return join([*segments, *stream.segments()], stream.seconds)


def _acoustic(files: ModelFiles) -> Model:
    model = read_model(files.acoustic)
    if model.features is None:
        raise ModelError(f"{files.acoustic}: a language model; expected an acoustic model")
    return model
