"""One live recording on its way through a recognizer."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speechq.data.features import FRAME_SECONDS, Frontend
from speechq.errors import DataError
from speechq.runtime.decoder import Hypothesis
from speechq.runtime.decoder_settings import DecoderSettings
from speechq.runtime.endpoint import Endpointer, EndpointRule
from speechq.runtime.engine import Engine
from speechq.runtime.graph import Model
from speechq.runtime.spotting import THRESHOLD, Detection, KeywordSpotter
from speechq.runtime.transcript import Transcript, Word
from speechq.runtime.waveform import WaveformStream

FloatArray = NDArray[np.float32]
_numbers = itertools.count()


class SegmentDecoder(Protocol):
    """What a stream needs of ``DecoderStream`` or ``GreedyStream``."""

    @property
    def stable_text(self) -> str: ...
    def accept(self, log_probs: ArrayLike, /) -> None: ...
    def best(self, n_best: int = 1) -> list[Hypothesis]: ...
    def finish(self, n_best: int = 1) -> list[Hypothesis]: ...


class DecoderFactory(Protocol):
    """What a recognizer needs of ``BeamDecoder`` or ``GreedyDecoder``."""

    def stream(self) -> SegmentDecoder: ...


class Stream:
    """Takes audio, and gives the text as ``Recognizer.decode`` goes on; made by ``create_stream``.

    All methods may be called from several threads. Memory does not grow with the length of the recording,
    as long as it is decoded and finished segments are fetched; without endpointing only the text grows.
    """

    def __init__(
        self,
        engine: Engine,
        model: Model,
        decoder: DecoderFactory,
        settings: DecoderSettings,
        rules: tuple[EndpointRule, ...],
    ) -> None:
        self.number = next(_numbers)
        self.lock = threading.RLock()
        self._engine, self._model, self._decoder, self._rules = engine, model, decoder, rules
        self._settings = settings
        self._keywords: Sequence[str] = ()
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next samples begin a new recording, which may have another rate."""
        with self.lock:
            features = self._model.audio()
            self.frame_seconds = FRAME_SECONDS * features.stride
            self.state = self._engine.initial_state()
            self._waveform = WaveformStream(features.sample_rate)
            self._frontend = Frontend(features, self._model.mean, self._model.scale)
            self._segment_decoder = self._decoder.stream()
            self._endpointer = (
                Endpointer(self._rules, self._model.units, self.frame_seconds) if self._rules else None
            )
            self._waiting: deque[FloatArray] = deque()
            self._ended = self._finished = False
            self._frames = self._begun = 0
            self._segments: deque[Transcript] = deque()
            self._last: Transcript | None = None
            self._spotter = KeywordSpotter(self._model.units, self._keywords, self.frame_seconds)
            self._detections: deque[Detection] = deque()

    def accept_waveform(self, samples: ArrayLike, sample_rate: int) -> None:
        """Take the next samples [n] or [n, channels], float in [-1, 1], int16 or int32, any number of them.

        Channels are averaged; other rates are converted. Raises DataError for samples that cannot be used,
        for a rate that changes within the recording, and after ``input_finished``.
        """
        with self.lock:
            if self._ended:
                raise DataError("samples after input_finished; reset the stream to begin another recording")
            chunk = self._waveform.accept(samples, sample_rate)
            if len(chunk):
                self._queue(self._frontend.accept(chunk))

    def input_finished(self) -> None:
        """No samples follow; the next ``decode`` finishes the last segment."""
        with self.lock:
            if not self._ended:
                self._ended = True
                self._queue(self._frontend.accept(self._waveform.finish()))
                self._queue(self._frontend.finish())

    def _queue(self, frames: FloatArray) -> None:
        if len(frames):
            self._waiting.append(frames)

    @property
    def seconds(self) -> float:
        """Seconds of audio taken."""
        return self._waveform.seconds

    @property
    def waiting_seconds(self) -> float:
        """Seconds of audio taken and not decoded yet."""
        with self.lock:
            return sum(len(frames) for frames in self._waiting) * self.frame_seconds

    @property
    def is_ready(self) -> bool:
        """Whether ``decode`` would go on."""
        return bool(self._waiting) or (self._ended and not self._finished)

    @property
    def is_finished(self) -> bool:
        """Whether everything up to ``input_finished`` has been decoded."""
        return self._finished

    @property
    def result(self) -> Transcript:
        """The present text of the current segment; behind the end, the last segment."""
        with self.lock:
            if self._last is not None:
                return self._last
            best = self._segment_decoder.best(1)[0]
            return self._transcript(best, self._segment_decoder.stable_text, self._frames, final=False)

    def segments(self) -> list[Transcript]:
        """The segments that ended since the last call; those without words are left out.

        Each is handed out once. Without endpointing there is one, at the end.
        """
        with self.lock:
            found = list(self._segments)
            self._segments.clear()
            return found

    def set_keywords(self, keywords: Sequence[str], threshold: float = THRESHOLD) -> None:
        """Report these words and phrases from now on (``speechq.runtime.spotting``), at any time.

        Raises DataError for one that the model's units cannot spell.
        """
        with self.lock:
            self._spotter.set_keywords(keywords)
            self._spotter.threshold = threshold
            self._keywords = self._spotter.keywords

    def detections(self) -> list[Detection]:
        """The keywords heard since the last call, each handed out once."""
        with self.lock:
            found = list(self._detections)
            self._detections.clear()
            return found

    def take(self, most: int) -> tuple[FloatArray, bool]:
        """For the recognizer: at most ``most`` waiting frames [frames, dim], whether they are the last."""
        parts: list[FloatArray] = []
        while self._waiting and most > 0:
            frames = self._waiting.popleft()
            if len(frames) > most:
                self._waiting.appendleft(frames[most:])
                frames = frames[:most]
            parts.append(frames)
            most -= len(frames)
        last = self._ended and not self._waiting
        width = self._model.audio().dim
        return np.concatenate(parts) if parts else np.zeros((0, width), np.float32), last

    def push(self, log_probs: FloatArray, last: bool) -> None:
        """For the recognizer: the log-probabilities [frames, units] of what was taken."""
        self._detections += self._spotter.accept(log_probs)
        begin = 0
        for end in self._endpointer.ends(log_probs) if self._endpointer else ():
            self._decode(log_probs[begin:end])
            self._end_segment()
            begin = end
        self._decode(log_probs[begin:])
        if last and not self._finished:
            self._finished = True
            self._last = self._end_segment()

    def _decode(self, log_probs: FloatArray) -> None:
        self._segment_decoder.accept(log_probs)
        self._frames += len(log_probs)

    def _end_segment(self) -> Transcript:
        best = self._segment_decoder.finish(1)[0]
        segment = self._transcript(best, best.text, self._frames, final=True)
        if segment.words:
            self._segments.append(segment)
        self._begun = self._frames
        return segment

    def _transcript(self, best: Hypothesis, stable: str, end: int, *, final: bool) -> Transcript:
        seconds, settings = self.frame_seconds, self._settings
        words = []
        for word in best.words:
            start = max(0.0, word.start * seconds + settings.times.start)
            stop = max(start, word.end * seconds + settings.times.end)
            words.append(Word(word.text, start, stop, float(settings.calibration.apply(word.confidence))))
        begun = self._begun * seconds
        return Transcript(best.text, tuple(words), stable, begun, end * seconds, final)
