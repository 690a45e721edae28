"""Messages of the WebSocket (docs/server.md): what a client may say, checked, and what it hears."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from speechq.errors import SpeechqError
from speechq.runtime.spotting import THRESHOLD, Detection
from speechq.runtime.transcript import Transcript
from speechq.section import Section

_LONGEST = 500  # characters of an error's sentence


class ProtocolError(SpeechqError):
    """A message that cannot be understood, or comes at the wrong time."""


class Start(Section):
    """The first message: what the binary messages behind it hold."""

    type: Literal["start"]
    sample_rate: int = Field(ge=8000, le=192_000)
    encoding: Literal["pcm_s16le", "pcm_f32le"] = "pcm_s16le"
    channels: int = Field(1, ge=1, le=8)
    endpointing: bool = True
    keywords: tuple[str, ...] = ()
    threshold: float = Field(THRESHOLD, ge=0, le=1)
    token: str = ""


class Keywords(Section):
    """Listen for these words and phrases from now on."""

    type: Literal["keywords"]
    keywords: tuple[str, ...]
    threshold: float = Field(THRESHOLD, ge=0, le=1)


class Finish(Section):
    """No audio follows."""

    type: Literal["finish"]


Message = Start | Keywords | Finish
_KINDS: dict[str, type[Message]] = {"start": Start, "keywords": Keywords, "finish": Finish}


def parse(text: str) -> Message:
    """A message of the client; ProtocolError saying what is wrong with it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("a text message is not JSON") from None
    kind = value.get("type") if isinstance(value, dict) else None
    schema = _KINDS.get(kind) if isinstance(kind, str) else None
    if schema is None:
        raise ProtocolError(f"a message has the type {kind!r}; expected one of {', '.join(_KINDS)}")
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"the message {kind!r}: {where}: {first['msg']}") from None


class PcmReader:
    """Bytes of a stream to samples [n, channels]; messages may end within a sample."""

    def __init__(self, start: Start) -> None:
        self._dtype = np.dtype("<i2" if start.encoding == "pcm_s16le" else "<f4")
        self._channels = start.channels
        self._rest = b""

    def read(self, data: bytes) -> NDArray[Any]:
        """The samples that ``data`` completes."""
        data = self._rest + data
        size = self._dtype.itemsize * self._channels
        whole = len(data) // size * size
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], self._dtype).reshape(-1, self._channels)


def segment_message(segment: Transcript) -> dict[str, Any]:
    """A finished segment."""
    return {"type": "segment", **segment.to_json()}


def partial_message(partial: Transcript, decoded: float) -> dict[str, Any]:
    """The current segment; ``decoded`` seconds of the client's audio have gone into it."""
    return {
        "type": "partial",
        "stable_text": partial.stable_text,
        **partial.to_json(),
        "decoded": round(decoded, 3),
    }


def keyword_message(detection: Detection) -> dict[str, Any]:
    """A keyword that was heard."""
    value = asdict(detection)
    return {"type": "keyword"} | {k: round(v, 4) if isinstance(v, float) else v for k, v in value.items()}


def error_message(code: str, sentence: str, retry_seconds: int | None = None) -> dict[str, Any]:
    """Why the stream ends."""
    retry = {} if retry_seconds is None else {"retry_after": retry_seconds}
    # It may repeat what a client sent, of any length, and half a surrogate that is no text.
    sentence = sentence[:_LONGEST].encode("utf-8", "backslashreplace").decode()
    return {"type": "error", "code": code, "message": sentence, **retry}
