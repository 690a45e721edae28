"""One thread that decodes for all clients: what has arrived of all streams goes through as one block."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from speechq.errors import SpeechqError
from speechq.runtime.recognizer import Recognizer
from speechq.runtime.spotting import Detection
from speechq.runtime.transcript import Transcript
from speechq.serve.limits import Limits
from speechq.serve.metrics import Metrics

_TURN_SECONDS = 0.5  # of audio that a stream may have decoded before the others have their turn
_PIECE_SECONDS = 0.1  # what arrives is divided into pieces of this length
_PARTIAL_SECONDS = 0.1  # of audio between two partial results

log = logging.getLogger("speechq.serve")


class Refused(Exception):
    """The server takes no further stream; ``reason`` is busy or draining."""

    def __init__(self, reason: str, sentence: str, retry_seconds: int) -> None:
        super().__init__(sentence)
        self.reason, self.retry_seconds = reason, retry_seconds


@dataclass(frozen=True)
class Chunk:
    """Samples [n, channels] that arrived at ``arrived`` (monotonic seconds)."""

    samples: NDArray[Any]
    rate: int
    arrived: float

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class Session:
    """A stream of one client: audio goes in with back-pressure, results come out as they change.

    All methods belong to the event loop; the hub's thread touches only what is under its lock.
    """

    def __init__(self, hub: Hub, endpointing: bool, live: bool) -> None:
        self.stream = hub.recognizer.create_stream(endpointing)
        self.live = live
        self.hub = hub
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.room = asyncio.Event()
        self.inbox: deque[Chunk] = deque()
        self.waiting = 0.0  # seconds in the inbox
        self.ended = False  # nothing follows what is in the inbox
        self.error: Exception | None = None
        self.segments: deque[Transcript] = deque()
        self.detections: deque[Detection] = deque()
        self.partial: Transcript | None = None
        self.decoded = 0.0  # seconds of audio
        self.shown = 0.0  # of them in the last partial result
        self.done = False

    async def feed(self, samples: NDArray[Any], rate: int) -> None:
        """Queue samples [n, channels], once there is room for them."""
        now, size = time.monotonic(), max(1, int(rate * _PIECE_SECONDS))
        with self.hub.lock:
            for begin in range(0, len(samples), size):
                chunk = Chunk(samples[begin : begin + size], rate, now)
                self.inbox.append(chunk)
                self.waiting += chunk.seconds
            self.room.clear()
            full = self.waiting > self.hub.limits.backlog_seconds
            self.hub.work.notify()
        while full and not self.ended and self.error is None:
            await self.room.wait()
            with self.hub.lock:
                full = self.waiting > self.hub.limits.backlog_seconds
                self.room.clear()

    def finish(self) -> None:
        """Nothing follows; ``done`` is set once everything is decoded."""
        with self.hub.lock:
            self.ended = True
            self.room.set()
            self.hub.work.notify()

    def close(self) -> None:
        """Give the place to another client, whatever is not decoded."""
        self.hub.remove(self)


class Hub:
    """The streams of a server and the thread that decodes them."""

    def __init__(self, recognizer: Recognizer, limits: Limits) -> None:
        self.recognizer, self.limits = recognizer, limits
        self.metrics = Metrics()
        self.lock = threading.Lock()
        self.work = threading.Condition(self.lock)
        self.sessions: set[Session] = set()
        self.draining = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="speechq-decode", daemon=True)
        self._thread.start()

    def open(self, *, endpointing: bool, live: bool) -> Session:
        """A new stream, in the event loop; Refused if there are too many or the server shuts down."""
        reason = sentence = ""
        if self.draining:
            reason, sentence = "draining", "the server is shutting down"
        elif len(self.sessions) >= self.limits.streams:
            reason, sentence = "busy", f"all {self.limits.streams} streams are taken"
        if reason:
            self.metrics.add("refused_total", label=f'reason="{reason}"')
            raise Refused(reason, sentence, self.limits.retry_seconds)
        session = Session(self, endpointing, live)
        with self.lock:
            self.sessions.add(session)
        self.metrics.add("streams_total", label=f'kind="{"live" if live else "file"}"')
        return session

    def remove(self, session: Session) -> None:
        """Forget a stream."""
        with self.lock:
            self.sessions.discard(session)

    def drain(self) -> None:
        """Take no new streams, and finish live ones with what they have got; files go on to their end."""
        self.draining = True
        for session in list(self.sessions):
            if session.live:
                session.finish()

    def stop(self) -> None:
        """End the thread."""
        with self.lock:
            self._stopped = True
            self.work.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self.lock:
                while not self._stopped and not (ready := self._ready()):
                    self.work.wait()
                if self._stopped:
                    return
                taken = [(session, self._take(session)) for session in ready]
            self._turn(taken)

    def _ready(self) -> list[Session]:
        return [s for s in self.sessions if not s.done and s.error is None and (s.inbox or s.ended)]

    @staticmethod
    def _take(session: Session) -> list[Chunk]:
        """The next chunks of a stream; at least one if there is any."""
        chunks: list[Chunk] = []
        seconds = 0.0
        while session.inbox and (not chunks or seconds + session.inbox[0].seconds <= _TURN_SECONDS):
            chunk = session.inbox.popleft()
            seconds += chunk.seconds
            chunks.append(chunk)
        session.waiting = max(0.0, session.waiting - seconds) if session.inbox else 0.0
        return chunks

    def _turn(self, taken: Sequence[tuple[Session, list[Chunk]]]) -> None:
        begun = time.thread_time()
        for session, chunks in taken:
            try:
                for chunk in chunks:
                    session.stream.accept_waveform(chunk.samples, chunk.rate)
                if session.ended and not session.inbox:
                    session.stream.input_finished()
            except Exception as error:
                self._fail(session, error)
        well = [session for session, _ in taken if session.error is None]
        try:
            self.recognizer.decode([session.stream for session in well])
        except Exception as error:  # no input is known to cause one; what was in the block is lost
            for session in well:
                self._fail(session, error)
        now = time.monotonic()
        for session, chunks in taken:
            try:
                self._collect(session)
            except Exception as error:
                self._fail(session, error)
            for chunk in chunks:
                self.metrics.add("audio_seconds_total", chunk.seconds)
                if session.live:
                    self.metrics.lag(now - chunk.arrived)
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                session.loop.call_soon_threadsafe(self._tell, session)
        self.metrics.add("decode_seconds_total", time.thread_time() - begun)

    @staticmethod
    def _fail(session: Session, error: Exception) -> None:
        """The end of one stream; the thread goes on for the others."""
        if not isinstance(error, SpeechqError):
            log.error("decoding failed", exc_info=error)
        session.error = error

    def _collect(self, session: Session) -> None:
        stream = session.stream
        segments, detections = stream.segments(), stream.detections()
        session.decoded = stream.seconds
        session.segments += segments
        session.detections += detections
        self.metrics.add("segments_total", len(segments))
        self.metrics.add("keywords_total", len(detections))
        if session.live and (segments or session.decoded - session.shown >= _PARTIAL_SECONDS):
            session.partial = stream.result
            session.shown = session.decoded
        session.done = stream.is_finished

    @staticmethod
    def _tell(session: Session) -> None:
        session.room.set()
        session.changed.set()
