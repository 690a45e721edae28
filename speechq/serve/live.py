"""The WebSocket ``/v1/stream``: live audio in, words out (docs/server.md)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from speechq.errors import SpeechqError
from speechq.serve.access import Access
from speechq.serve.hub import Hub, Refused, Session
from speechq.serve.protocol import (
    Keywords,
    Message,
    PcmReader,
    ProtocolError,
    Start,
    error_message,
    keyword_message,
    parse,
    partial_message,
    segment_message,
)

# Close codes of RFC 6455, and of its registry: 1008 policy, 1011 server error, 1013 try again later.
_CODES = {"busy": 1013, "draining": 1013, "internal": 1011}


class _End(Exception):
    """The stream ends with an error that the client is told."""

    def __init__(self, code: str, sentence: str, retry_seconds: int | None = None) -> None:
        super().__init__(sentence)
        self.code, self.retry_seconds = code, retry_seconds


class _Pace:
    """Slows down a client whose messages cost more than a second of work each second."""

    def __init__(self) -> None:
        self._paid = 0.0

    async def wait(self, cost: float) -> None:
        """Until ``cost`` seconds are paid for; a second of them may be owed."""
        now = time.monotonic()
        self._paid = max(self._paid, now - 1.0) + cost
        if self._paid > now:
            await asyncio.sleep(self._paid - now)


class LiveStreams:
    """Serves one WebSocket after the other, each as a task of its own."""

    def __init__(self, hub: Hub, access: Access, facts: dict[str, Any]) -> None:
        self._hub, self._access, self._facts = hub, access, facts

    async def __call__(self, websocket: WebSocket) -> None:
        if not self._access.origin_allowed(websocket):
            await websocket.close(1008)  # before the handshake: answered with 403
            return
        await websocket.accept()
        with suppress(WebSocketDisconnect, OSError):
            try:
                await self._serve(websocket)
            except (_End, Refused, ProtocolError) as end:
                code = end.code if isinstance(end, _End) else getattr(end, "reason", "protocol")
                self._hub.metrics.add("failed_total", label=f'code="{code}"')
                retry = getattr(end, "retry_seconds", None)
                await self._send(websocket, error_message(code, str(end), retry))
                await websocket.close(_CODES.get(code, 1008))

    async def _serve(self, websocket: WebSocket) -> None:
        start = await self._start(websocket)
        session = self._hub.open(endpointing=start.endpointing, live=True)
        try:
            self._listen_for(session, start.keywords, start.threshold)
            await self._send(websocket, {"type": "ready", "model": self._facts})
            tasks = [
                asyncio.create_task(self._receive(websocket, session, PcmReader(start), start.sample_rate)),
                asyncio.create_task(self._answer(websocket, session)),
            ]
            try:
                limit = await self._until_over(session, *tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if limit is not None:
                raise limit
            reason = "shutdown" if self._hub.draining else "finished"
            seconds = round(session.stream.seconds, 3)
            await self._send(websocket, {"type": "done", "reason": reason, "seconds": seconds})
            await websocket.close(1012 if self._hub.draining else 1000)
        finally:
            session.close()

    async def _until_over(
        self, session: Session, receiver: asyncio.Task[None], sender: asyncio.Task[None]
    ) -> _End | None:
        """Wait until everything is answered; the limit that ended the audio, if one did."""
        done, _ = await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_COMPLETED)
        limit = None
        if receiver in done:
            try:
                receiver.result()
            except _End as end:  # what was said until then still has its answer
                limit = end
                session.finish()
        await sender
        return limit

    async def _start(self, websocket: WebSocket) -> Start:
        data = await self._next(websocket)
        message = parse(data) if isinstance(data, str) else None
        if not isinstance(message, Start):
            raise ProtocolError("the first message must be start, as JSON text")
        if not (self._access.token_fits(message.token) or self._access.header_fits(websocket.headers)):
            raise _End("unauthorized", "the token is missing or wrong")
        return message

    async def _next(self, websocket: WebSocket) -> str | bytes:
        """The next message; errors where none comes in time, or the client is gone."""
        try:
            message = await asyncio.wait_for(websocket.receive(), self._hub.limits.idle_seconds)
        except asyncio.TimeoutError:
            seconds = self._hub.limits.idle_seconds
            raise _End("idle", f"nothing came for {seconds:g} seconds") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def _receive(self, websocket: WebSocket, session: Session, pcm: PcmReader, rate: int) -> None:
        seconds = 0.0
        limits = self._hub.limits
        pace = _Pace()
        while not session.ended:
            data = await self._next(websocket)
            await pace.wait(1 / (limits.messages if isinstance(data, bytes) else limits.commands))
            if isinstance(data, bytes):
                samples = pcm.read(data)
                seconds += len(samples) / rate
                if seconds > limits.stream_seconds:
                    limit = limits.stream_seconds
                    raise _End("too_long", f"a stream may have {limit:g} seconds of audio; begin another one")
                if len(samples):
                    await session.feed(samples, rate)
            else:
                await self._obey(parse(data), session)

    async def _obey(self, message: Message, session: Session) -> None:
        if isinstance(message, Start):
            raise ProtocolError("a stream has begun already; start comes once")
        if isinstance(message, Keywords):  # in a thread, as it waits for a block that is being decoded
            await asyncio.to_thread(self._listen_for, session, message.keywords, message.threshold)
        else:
            session.finish()

    def _listen_for(self, session: Session, keywords: tuple[str, ...], threshold: float) -> None:
        if len(keywords) > self._hub.limits.keywords or any(len(keyword) > 200 for keyword in keywords):
            most = self._hub.limits.keywords
            raise ProtocolError(f"keywords: expected at most {most} of at most 200 characters")
        try:
            session.stream.set_keywords(keywords, threshold)
        except SpeechqError as error:
            raise ProtocolError(str(error)) from None

    async def _answer(self, websocket: WebSocket, session: Session) -> None:
        while True:
            await session.changed.wait()
            session.changed.clear()
            if session.error is not None:
                known = isinstance(session.error, SpeechqError)
                raise _End(
                    "audio" if known else "internal", str(session.error) if known else "internal error"
                )
            done = session.done
            while session.detections:
                await self._send(websocket, keyword_message(session.detections.popleft()))
            while session.segments:
                await self._send(websocket, segment_message(session.segments.popleft()))
            # Only the newest partial result: a slow reader misses some, and gets every segment.
            partial, session.partial = session.partial, None
            if partial is not None and not done:
                await self._send(websocket, partial_message(partial, session.decoded))
            if done:
                return

    async def _send(self, websocket: WebSocket, message: dict[str, Any]) -> None:
        if websocket.client_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect(1006)
        text = json.dumps(message, ensure_ascii=False)
        try:
            await asyncio.wait_for(websocket.send_text(text), self._hub.limits.send_seconds)
        except asyncio.TimeoutError:
            raise WebSocketDisconnect(1006) from None
