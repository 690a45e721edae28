"""eSpeak NG through ctypes: text to samples and to the times of its phonemes.

The library and its voices come from the package ``espeakng-loader`` (extra ``demo``). eSpeak keeps state
from one utterance to the next (flutter, breath noise, echo, wave phase) that no call of its interface
resets, so :func:`say` loads it afresh each time: what it returns depends on its arguments alone. That costs
a third of a millisecond. Not thread-safe: use processes.
"""

from __future__ import annotations

import _ctypes
import ctypes
import re
import sys
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from speechq.errors import ConfigError, DataError

SAMPLE_RATE = 16000
"""Sample rate in Hz of everything that :func:`say` returns."""

Phone = tuple[str, float, float]
"""Label, start and end in seconds from the first sample."""

ACCENTS = {
    "us": "gmw/en-US",
    "nyc": "gmw/en-US-nyc",
    "gb": "gmw/en",
    "rp": "gmw/en-GB-x-rp",
    "scot": "gmw/en-GB-scotland",
    "lanc": "gmw/en-GB-x-gbclan",
    "midl": "gmw/en-GB-x-gbcwmd",
    "carib": "gmw/en-029",
}
"""Short names of the English accents, with their files in eSpeak's voice folder."""


Spoken = tuple[int, float, float]
"""Number of the first word, start and end in seconds: a word, or several that eSpeak speaks as one."""

SILENCE = "_"
"""Label of pauses."""

_AUDIBLE = 1e-3


@dataclass(frozen=True, order=True)
class Speaker:
    """A voice: an accent (a key of :data:`ACCENTS`) and a variant (a file of eSpeak's ``voices/!v``)."""

    accent: str
    variant: str

    def __str__(self) -> str:
        """The name that stands in manifests: ``accent+variant``."""
        return f"{self.accent}+{self.variant}".replace(" ", "_")


_SYNCHRONOUS = 2
_PHONEME_EVENTS = 0x0001
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3
_EVENT_END_OF_LIST, _EVENT_PHONEME = 0, 7


class _Identifier(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h, API revision 12."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    ]


class _Sound(NamedTuple):
    """A phoneme: its start in ms, and the place in the text of the word that it belongs to."""

    start: int
    mnemonic: str
    place: int


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def _locate() -> tuple[str, bytes]:
    """Paths of the shared library and of the folder ``espeak-ng-data``."""
    try:
        import espeakng_loader
    except ImportError:
        raise ConfigError(
            "synthesized speech needs eSpeak NG, which is not installed: pip install 'speechq[demo]'"
        ) from None
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()).encode()


def check_installed() -> None:
    """Raise ``ConfigError`` where eSpeak NG is not installed."""
    _locate()


def _unload(library: ctypes.CDLL) -> None:
    library.espeak_Terminate()
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _synthesize(text: str, voice: str, rate: int, pitch: int, seed: int) -> tuple[bytes, list[_Sound], int]:
    """16-bit samples, phonemes, sample rate."""
    path, data = _locate()
    blocks: list[bytes] = []
    events: list[_Sound] = []

    def collect(wav: Any, count: int, received: Any) -> int:
        if wav and count > 0:
            blocks.append(ctypes.string_at(wav, 2 * count))
        index = 0
        while received[index].type != _EVENT_END_OF_LIST:
            event = received[index]
            if event.type == _EVENT_PHONEME:
                mnemonic = event.id.string.decode("utf-8", "replace")
                events.append(_Sound(event.audio_position, mnemonic, event.text_position - 1))
            index += 1
        return 0

    callback = _CALLBACK(collect)  # a name of its own: the library holds a bare pointer to it
    library = ctypes.CDLL(path)
    try:
        sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS | _DONT_EXIT)
        if sample_rate <= 0:
            raise ConfigError(f"eSpeak NG does not start with {data.decode()}: reinstall espeakng-loader")
        library.espeak_SetSynthCallback(callback)
        # breath noise comes from C's rand(), the rest from eSpeak's own generator
        c_library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        c_library.srand(ctypes.c_uint(seed))
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ConfigError(f"eSpeak NG has no voice {voice!r}")
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        encoded = text.encode()
        if library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise DataError(f"eSpeak NG failed on the text {text!r}")
    finally:
        _unload(library)
    return b"".join(blocks), events, sample_rate


def say(
    text: str, voice: Speaker, rate: int = 165, pitch: int = 50, *, margin: float = 0.12
) -> tuple[NDArray[np.float32], list[Phone], list[Spoken]]:
    """Speak ``text``; the same arguments give the same samples, in any process.

    Parameters
    ----------
    text
        What to say, in lower case (eSpeak may spell words in capitals).
    rate, pitch
        Words a minute (80 to 450) and eSpeak's pitch (0 to 99, 50 is the voice's own).
    margin
        Silence in seconds that stays at either end.

    Returns
    -------
    samples
        float32 ``[n]`` at :data:`SAMPLE_RATE`, within [-1, 1].
    phones
        ``(label, start_s, end_s)`` without gaps from 0 to ``n / SAMPLE_RATE``; labels are eSpeak's
        mnemonics without stress marks, :data:`SILENCE` for pauses.
    words
        ``(number of the first word, start_s, end_s)``, each from its first sound to the end of its last.
        eSpeak speaks some words as one, such as "in the": those are one entry.
    """
    if voice.accent not in ACCENTS:
        raise ConfigError(f"no accent {voice.accent!r}; there are {', '.join(ACCENTS)}")
    seed = zlib.crc32(f"{voice}|{rate}|{pitch}|{text}".encode()) & 0x7FFFFFFF
    raw, events, sample_rate = _synthesize(
        text, f"{ACCENTS[voice.accent]}+{voice.variant}", rate, pitch, seed
    )
    samples = np.frombuffer(raw, dtype="<i2").astype(np.float32) / 32768.0
    loud = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if loud.size == 0:
        raise DataError(f"eSpeak NG made no sound of the text {text!r} with voice {voice}")
    first, silence = int(loud[0]), round(margin * sample_rate)
    samples = np.pad(samples[first : int(loud[-1]) + 1], silence)
    resampled = np.clip(soxr.resample(samples, sample_rate, SAMPLE_RATE), -1.0, 1.0).astype(np.float32)
    offset, duration = (silence - first) / sample_rate, resampled.size / SAMPLE_RATE
    timed = _timed(events, offset, duration)
    return resampled, _intervals(timed), _words(timed, text)


def _timed(events: list[_Sound], offset: float, duration: float) -> list[tuple[str, float, float, int]]:
    """Label, start, end and place of each sound; starts in ms become intervals that cover ``[0, duration]``.

    A sound that eSpeak folds into its neighbour (the l of "hall") has no time of its own and is left out.
    """
    labels = [SILENCE] + [_label(event.mnemonic) for event in events]
    starts = [0.0]
    for event in events:
        starts.append(round(min(max(event.start / 1000.0 + offset, starts[-1]), duration), 4))
    places = [-1] + [event.place for event in events]
    rows = zip(labels, starts, [*starts[1:], duration], places, strict=True)
    return [row for row in rows if row[2] > row[1]]


def _words(timed: list[tuple[str, float, float, int]], text: str) -> list[Spoken]:
    """The words of ``text`` that have sounds of their own."""
    found: dict[int, Spoken] = {}
    for number, word in enumerate(re.finditer(r"\S+", text)):
        for label, start, end, place in timed:
            if label != SILENCE and word.start() <= place < word.end():
                found[number] = (number, found.get(number, (number, start))[1], end)
    return list(found.values())


def _intervals(timed: list[tuple[str, float, float, int]]) -> list[Phone]:
    """Phones without gaps; neighbouring pauses are merged."""
    phones: list[Phone] = []
    for label, start, end, _ in timed:
        if phones and label == SILENCE == phones[-1][0]:
            phones[-1] = (SILENCE, phones[-1][1], end)
        else:
            phones.append((label, start, end))
    return phones


def _label(mnemonic: str) -> str:
    """A phoneme's name without its stress mark; all kinds of pauses are one."""
    name = mnemonic.lstrip("',%=|")
    return SILENCE if not name or name.startswith("_") else name
