"""Transcripts as text, JSON, subtitles (SRT, WebVTT) and NIST CTM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from speechq.runtime.transcript import Transcript, Word

# A subtitle ends at such a pause, or before it gets longer than this: two lines of usual width.
_PAUSE_SECONDS = 0.8
_LONGEST_SECONDS = 6.0
_MOST_CHARACTERS = 84


def captions(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Groups of words that are shown together."""
    begin, size = 0, 0
    for k, word in enumerate(words):
        size += len(word.text) + 1
        if k > begin and (
            word.start - words[k - 1].end > _PAUSE_SECONDS
            or word.end - words[begin].start > _LONGEST_SECONDS
            or size - 1 > _MOST_CHARACTERS
        ):
            yield words[begin:k]
            begin, size = k, len(word.text) + 1
    if begin < len(words):
        yield words[begin:]


def _clock(seconds: float, point: str) -> str:
    total = round(seconds * 1000)
    return f"{total // 3600000:02}:{total // 60000 % 60:02}:{total // 1000 % 60:02}{point}{total % 1000:03}"


def _cues(transcript: Transcript, point: str) -> Iterator[str]:
    for group in captions(transcript.words):
        text = " ".join(word.text for word in group)
        yield f"{_clock(group[0].start, point)} --> {_clock(group[-1].end, point)}\n{text}\n"


def to_text(transcript: Transcript, name: str) -> str:
    """The text alone."""
    return transcript.text + "\n"


def to_json(transcript: Transcript, name: str) -> str:
    """An object on one line: the file, its seconds, text and words."""
    value = transcript.to_json()
    return json.dumps({"file": name, "duration": value.pop("end"), **value}, ensure_ascii=False) + "\n"


def to_srt(transcript: Transcript, name: str) -> str:
    """SubRip subtitles."""
    return "\n".join(f"{k}\n{cue}" for k, cue in enumerate(_cues(transcript, ","), 1))


def to_vtt(transcript: Transcript, name: str) -> str:
    """WebVTT subtitles."""
    escaped = (cue.replace("&", "&amp;").replace("<", "&lt;") for cue in _cues(transcript, "."))
    return "\n".join(["WEBVTT\n", *escaped])


def to_ctm(transcript: Transcript, name: str) -> str:
    """A line per word: recording, channel, start, duration, word, confidence."""
    recording = name.replace(" ", "_")
    return "".join(
        f"{recording} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.confidence:.4f}\n"
        for word in transcript.words
    )


FORMATS: dict[str, Callable[[Transcript, str], str]] = {
    "txt": to_text,
    "json": to_json,
    "srt": to_srt,
    "vtt": to_vtt,
    "ctm": to_ctm,
}
