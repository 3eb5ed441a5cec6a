"""Passes the browser's microphone to the daemon: one session per page."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import replace
from pathlib import Path

from starlette.websockets import WebSocket, WebSocketDisconnect

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.display.meter import MeterState
from dfd.clients.errors import DetectionError
from dfd.clients.options import StreamOptions, VadOptions
from dfd.clients.stream import DetectionStream
from dfd.clients.watching import ScorePoint
from dfd.errors import UserError

_MAX_POINTS = 3600
_OPTIONS = StreamOptions(labels={"source": "console"}, vad=VadOptions(activity_events=True))

# runs in the browser
SCRIPT = (Path(__file__).parent / "microphone.js").read_text(encoding="utf-8")


class Session:
    """The session of one page.

    Attributes:
        state: level, scores and alerts, as in the terminal's meter.
        points: the windows so far.
        speech: start and end of each stretch of speech.
        alerts: where alerts were raised, and by which score.
        running: whether audio is arriving.
        summary: summary of the previous stream.
        trouble: why there is no stream; empty while all is well.
        version: increases with every change.
    """

    def __init__(self, client: AsyncDetectionClient, server: str) -> None:
        self.key = secrets.token_urlsafe(24)
        self._client = client
        self._server = server
        self.version = 0
        self.running = False
        self.trouble = ""
        self._begin()

    def _begin(self) -> None:
        self.state = MeterState(self._server, "microphone")
        self.points: list[ScorePoint] = []
        self.speech: list[tuple[float, float]] = []
        self.alerts: list[tuple[float, str]] = []
        self.summary: ev.Summary | None = None
        self.started: ev.Started | None = None
        self._speech_since: float | None = None

    def heard_speech(self) -> list[tuple[float, float]]:
        """Returns the stretches of speech, with the one that goes on."""
        if self._speech_since is None or not self.points:
            return self.speech
        now = max(self.points[-1].end_seconds, self._speech_since)
        return [*self.speech, (self._speech_since, now)]

    async def serve(self, socket: WebSocket) -> None:
        """Passes a browser's audio to the daemon until either side ends."""
        if self.running:
            await socket.close(4409)
            return
        await socket.accept()
        self._begin()
        self.running, self.trouble = True, ""
        self.version += 1
        try:
            rate = int(float(socket.query_params.get("rate", "0")))
            audio_format = AudioFormat(Encoding.LINEAR16, rate, 1)
            stream = self._client.stream(audio_format, options=replace(_OPTIONS))
            async with stream:
                sender = asyncio.create_task(self._send(socket, stream))
                try:
                    async for event in stream:
                        self._take(event)
                finally:
                    sender.cancel()
                    await asyncio.gather(sender, return_exceptions=True)
        except (DetectionError, UserError, ValueError) as error:
            self.trouble = getattr(error, "message", "") or str(error)
        finally:
            self.running = False
            self.version += 1
            if socket.client_state.name == "CONNECTED":
                with contextlib.suppress(WebSocketDisconnect):  # the viewer has left meanwhile
                    await socket.close()

    async def _send(self, socket: WebSocket, stream: DetectionStream) -> None:
        try:
            while (message := await socket.receive())["type"] == "websocket.receive":
                content = message.get("bytes")
                if content is None:
                    break
                content = content[: len(content) // 2 * 2]
                await stream.send(content)
                self.state.hear(content, stream.position_seconds)
        except WebSocketDisconnect:
            pass
        await stream.finish()

    def _take(self, event: ev.Event) -> None:
        self.version += 1
        self.state.take(event)
        match event:
            case ev.Started():
                self.started = event
            case ev.WindowResult():
                self.points.append(point(event))
                del self.points[:-_MAX_POINTS]
            case ev.SpeechActivity() if event.began:
                self._speech_since = event.offset_seconds
            case ev.SpeechActivity():
                if self._speech_since is not None:
                    self.speech.append((self._speech_since, event.offset_seconds))
                self._speech_since = None
            case ev.Alert() if not event.cleared:
                self.alerts.append((event.offset_seconds, str(event.trigger)))
            case ev.Summary():
                self.summary = event
            case _:
                pass


def point(event: ev.WindowResult) -> ScorePoint:
    """Converts a window's scores for a time line."""
    scores = (event.window_score, event.rolling_score, event.cumulative_score)
    values = [None if score is None else score.spoof_probability for score in scores]
    return ScorePoint(event.end_seconds, *values)
