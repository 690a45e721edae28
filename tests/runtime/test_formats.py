from __future__ import annotations

import json

import pytest

from speechq.runtime.formats import FORMATS, captions
from speechq.runtime.transcript import Transcript, Word, join


def spoken(*times: tuple[str, float, float]) -> Transcript:
    words = tuple(Word(text, start, end, 0.75) for text, start, end in times)
    text = " ".join(word.text for word in words)
    return Transcript(text, words, text, 0.0, 3725.5, True)


TALK = spoken(("A", 0.5, 0.9), ("<B>", 1.0, 1.25), ("C&D", 3661.0, 3662.0004))


def test_each_format_as_its_readers_expect_it() -> None:
    assert FORMATS["txt"](TALK, "x.wav") == "A <B> C&D\n"
    assert FORMATS["srt"](TALK, "x.wav") == (
        "1\n00:00:00,500 --> 00:00:01,250\nA <B>\n\n2\n01:01:01,000 --> 01:01:02,000\nC&D\n"
    )
    assert FORMATS["vtt"](TALK, "x.wav") == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nA &lt;B>\n\n01:01:01.000 --> 01:01:02.000\nC&amp;D\n"
    )
    assert FORMATS["ctm"](TALK, "my talk.wav").splitlines()[:2] == [
        "my_talk.wav 1 0.500 0.400 A 0.7500",
        "my_talk.wav 1 1.000 0.250 <B> 0.7500",
    ]
    value = json.loads(FORMATS["json"](TALK, "x.wav"))
    assert value["file"] == "x.wav"
    assert value["duration"] == 3725.5
    assert value["words"][2] == {"text": "C&D", "start": 3661.0, "end": 3662.0, "confidence": 0.75}


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_silence_has_no_words(form: str) -> None:
    text = FORMATS[form](spoken(), "x.wav")
    assert "-->" not in text
    assert text == {"txt": "\n", "srt": "", "vtt": "WEBVTT\n", "ctm": ""}.get(form, text)


def test_captions_end_at_pauses_and_before_they_get_too_long() -> None:
    steady = spoken(*((f"WORD{k}", k * 0.5, k * 0.5 + 0.4) for k in range(40)))
    groups = list(captions(steady.words))
    assert [word for group in groups for word in group] == list(steady.words)
    for group in groups:
        assert group[-1].end - group[0].start <= 6.0
        assert len(" ".join(word.text for word in group)) <= 84
    assert len(groups) == 4
    quick = spoken(*(("LONGISHWORD", k * 0.1, k * 0.1 + 0.1) for k in range(20)))
    assert [len(group) for group in captions(quick.words)] == [7, 7, 6]
    long = spoken(("A" * 100, 0.0, 9.0), ("B", 9.1, 9.2))
    assert [len(group) for group in captions(long.words)] == [1, 1]


def test_segments_join_to_the_text_of_the_recording() -> None:
    silence = Transcript("", (), "", 1.0, 2.0, True)
    joined = join([TALK, silence, TALK], 9.0)
    assert joined.text == joined.stable_text == f"{TALK.text} {TALK.text}"
    assert joined.words == TALK.words * 2
    assert (joined.start, joined.end) == (0.0, 9.0)
