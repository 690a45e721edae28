"""``POST /v1/audio/transcriptions``: a file to text, as the OpenAI client calls it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive

from speechq.data.audio import audio_blocks
from speechq.errors import DataError, SpeechqError
from speechq.runtime.formats import FORMATS, captions
from speechq.runtime.transcript import Transcript, join
from speechq.serve.access import Access
from speechq.serve.hub import Hub, Refused, Session
from speechq.serve.limits import Limits

_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_BLOCK_SECONDS = 0.5


def api_error(status: int, sentence: str, kind: str, **headers: str) -> JSONResponse:
    """An error in the form that OpenAI clients read."""
    value = {"error": {"message": sentence, "type": kind, "param": None, "code": None}}
    return JSONResponse(value, status, headers)


class Transcriptions:
    """Takes uploaded recordings through the hub, a turn at a time beside the live streams."""

    def __init__(self, hub: Hub, access: Access) -> None:
        self._hub, self._access = hub, access

    async def __call__(self, request: Request) -> Response:
        """The answer to one request."""
        if not self._access.origin_allowed(request):
            origin = request.headers["origin"]
            sentence = f"pages of {origin} may not use this server; --allow-origin lets them"
            return api_error(403, sentence, "permission_error")
        if not self._access.header_fits(request.headers):
            return api_error(401, "the token is missing or wrong", "authentication_error")
        most = self._hub.limits.upload_bytes
        if int(request.headers.get("content-length", "0") or 0) > most:
            return api_error(413, f"a request may have {most:,} bytes", "invalid_request_error")
        limited = Request(request.scope, _limited(request.receive, self._hub.limits))
        try:
            session = self._hub.open(endpointing=True, live=False)
        except Refused as refused:
            retry = {"Retry-After": str(refused.retry_seconds)}
            return api_error(503, str(refused), "server_error", **retry)
        try:
            return await self._answer(limited, session)
        except _TooLong as error:
            return api_error(413, str(error), "invalid_request_error")
        except _TooSlow as error:
            return api_error(408, str(error), "invalid_request_error")
        except (SpeechqError, HTTPException) as error:
            sentence = error.detail if isinstance(error, HTTPException) else str(error)
            return api_error(400, sentence, "invalid_request_error")
        finally:
            session.close()

    async def _answer(self, request: Request, session: Session) -> Response:
        async with request.form(max_files=1, max_fields=20, max_part_size=1 << 16) as form:
            upload, form_name = form.get("file"), str(form.get("response_format") or "json")
            if not isinstance(upload, UploadFile):
                raise DataError("the form has no file; expected the recording as its part 'file'")
            if form_name not in _FORMATS:
                raise DataError(f"response_format {form_name!r}: expected one of {', '.join(_FORMATS)}")
            if str(form.get("stream")).lower() == "true":
                raise DataError("stream: the text of a file comes as a whole; live text has /v1/stream")
            with tempfile.TemporaryDirectory(prefix="speechq-") as folder:
                # Suffix and name of the upload mean nothing: libsndfile looks at the content.
                path = Path(folder) / "recording"
                await asyncio.to_thread(_copy, upload, path)
                try:
                    transcript = await self._transcribe(path, session)
                except DataError as error:
                    raise DataError(str(error).replace(str(path), upload.filename or "the file")) from None
        return _written(transcript, form_name)

    async def _transcribe(self, path: Path, session: Session) -> Transcript:
        # Programs that unpack recordings were not made for files of strangers.
        blocks: Iterator[Any] = audio_blocks(path, _BLOCK_SECONDS, programs=False)
        seconds = 0.0
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            samples, rate = block
            seconds += len(samples) / rate
            limit = self._hub.limits.stream_seconds
            if seconds > limit:
                raise _TooLong(f"a recording may have {limit:g} seconds")
            await session.feed(samples, rate)
            if session.error is not None:
                raise session.error
        session.finish()
        while not session.done:
            await session.changed.wait()
            session.changed.clear()
            if session.error is not None:
                raise session.error
        return join(session.segments, session.stream.seconds)


class _TooLong(Exception):
    pass


class _TooSlow(Exception):
    pass


def _limited(receive: Receive, limits: Limits) -> Receive:
    """``receive`` of a request whose body may have so many bytes, whatever its header says, and must come."""
    count, end = 0, time.monotonic() + limits.upload_seconds

    async def counted() -> Message:
        nonlocal count
        seconds = max(0.0, min(limits.idle_seconds, end - time.monotonic()))
        try:
            message = await asyncio.wait_for(receive(), seconds)
        except asyncio.TimeoutError:
            raise _TooSlow("the recording did not come in time") from None
        count += len(message.get("body", b""))
        if count > limits.upload_bytes:
            raise _TooLong(f"a request may have {limits.upload_bytes:,} bytes")
        return message

    return counted


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("wb") as written:
        while data := upload.file.read(1 << 20):
            written.write(data)


def _written(transcript: Transcript, form: str) -> Response:
    if form == "json":
        return JSONResponse({"text": transcript.text})
    if form == "verbose_json":
        return JSONResponse(_verbose(transcript))
    text = FORMATS["txt" if form == "text" else form](transcript, "recording")
    return PlainTextResponse(text, media_type="text/vtt" if form == "vtt" else "text/plain")


def _verbose(transcript: Transcript) -> dict[str, Any]:
    words = [{"word": word["text"], **word} for word in transcript.to_json()["words"]]
    for word in words:
        del word["text"]
    segments = [
        {
            "id": k,
            "start": round(group[0].start, 3),
            "end": round(group[-1].end, 3),
            "text": " ".join(word.text for word in group),
        }
        for k, group in enumerate(captions(transcript.words))
    ]
    return {
        "task": "transcribe",
        "language": "english",
        "duration": round(transcript.end, 3),
        "text": transcript.text,
        "segments": segments,
        "words": words,
    }
