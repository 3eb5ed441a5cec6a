"""Streams one recording as fast as the server accepts it and collects all results."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions, VadOptions
from dfd.clients.sources.recording import Recording
from dfd.recordings import Finding, Manifest

_CHUNK_SECONDS = 0.5
_PEAKS = 1200  # at least, unless the recording is very short


@dataclass(eq=False)
class Judgement:
    """The result for a recording.

    Attributes:
        speech: start and end of each stretch of speech, by channel.
        peaks: the largest sample in each of up to 2400 equal parts, over all channels.
        sha256: SHA-256 of the file on disk; empty for a source that can be read only once.
        manifest: what the file says, signed, of who made it; None if it says nothing.
        findings: what was cut short, damaged or not read.
    """

    name: str
    audio_format: AudioFormat
    seconds: float
    sha256: str
    started: ev.Started
    summary: ev.Summary
    windows: list[ev.WindowResult] = field(default_factory=list)
    alerts: list[ev.Alert] = field(default_factory=list)
    warnings: list[ev.StreamWarning] = field(default_factory=list)
    speech: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    manifest: Manifest | None = None


async def judge(
    client: AsyncDetectionClient,
    recording: Recording,
    options: StreamOptions | None = None,
    *,
    name: str = "",
    progress: Callable[[float], None] = lambda share: None,
) -> Judgement:
    """Streams a recording and collects everything.

    Args:
        client: the server.
        recording: a recording of any length.
        options: how it is judged.
        name: its name in the result; the file's name by default.
        progress: called with the share that has been sent.

    Raises:
        DetectionError: if the server refused, or the stream ended with an error.
        UserError: if the recording cannot be decoded further.
    """
    options = options or StreamOptions(labels={"source": "recording"})
    vad = replace(options.vad or VadOptions(), activity_events=True)
    chunks, peaks = recording.chunks(_CHUNK_SECONDS), _Peaks(recording.audio_format)
    events: list[ev.Event] = []
    stream = client.stream(recording.audio_format, options=replace(options, vad=vad), live=False)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(chunks.close)
        await stack.enter_async_context(stream)

        async def send() -> None:
            while chunk := await asyncio.to_thread(next, chunks, b""):
                peaks.take(chunk)
                if not await stream.send(chunk):
                    return
                if recording.seconds:
                    progress(min(1.0, chunks.seconds / recording.seconds))
            await stream.finish()

        sender = asyncio.create_task(send())
        try:
            async for event in stream:
                events.append(event)  # noqa: PERF401
        finally:
            if not stream.over:
                sender.cancel()
            done = (await asyncio.gather(sender, return_exceptions=True))[0]
        if isinstance(done, Exception):
            raise done
    summary = next(event for event in reversed(events) if isinstance(event, ev.Summary))
    return Judgement(
        name=name or Path(recording.name).name,
        audio_format=recording.audio_format,
        seconds=chunks.seconds,
        sha256=await asyncio.to_thread(_sha256, recording),
        started=stream.started,
        summary=summary,
        windows=[event for event in events if isinstance(event, ev.WindowResult)],
        alerts=[event for event in events if isinstance(event, ev.Alert)],
        warnings=[event for event in events if isinstance(event, ev.StreamWarning)],
        speech=_stretches(events, chunks.seconds),
        peaks=peaks.values,
        findings=chunks.findings,
        manifest=await asyncio.to_thread(recording.manifest),
    )


def _sha256(recording: Recording) -> str:
    if not recording.again:
        return ""
    with recording.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stretches(events: list[ev.Event], seconds: float) -> dict[int, list[tuple[float, float]]]:
    """Returns stretches of speech as start and end, by channel."""
    found: dict[int, list[tuple[float, float]]] = {}
    since: dict[int, float] = {}
    for event in events:
        if not isinstance(event, ev.SpeechActivity):
            continue
        if event.began:
            since[event.channel] = event.offset_seconds
        elif event.channel in since:
            stretch = (since.pop(event.channel), event.offset_seconds)
            found.setdefault(event.channel, []).append(stretch)
    for channel, begin in since.items():
        found.setdefault(channel, []).append((begin, seconds))
    return found


class _Peaks:
    """The peaks of a recording of any length, collected while it is read."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._integer = audio_format.encoding is Encoding.LINEAR16
        self._frames = 1  # in each peak
        self._peaks: list[float] = []
        self._rest = np.zeros(0)

    def take(self, chunk: bytes) -> None:
        samples = np.frombuffer(chunk, "<i2" if self._integer else "<f4").astype(np.float64)
        loud = np.abs(samples.reshape(-1, self._format.channel_count)).max(axis=1)
        loud = np.concatenate([self._rest, loud])
        whole = len(loud) // self._frames * self._frames
        self._rest = loud[whole:]
        self._peaks += loud[:whole].reshape(-1, self._frames).max(axis=1).tolist()
        while len(self._peaks) >= 2 * _PEAKS:  # merge pairs into half as many of twice the length
            if len(self._peaks) % 2:
                self._peaks.append(0.0)
            self._peaks = [max(pair) for pair in zip(*[iter(self._peaks)] * 2, strict=True)]
            self._frames *= 2

    @property
    def values(self) -> list[float]:
        largest = 32768.0 if self._integer else 1.0
        return [round(min(1.0, peak / largest), 4) for peak in self._peaks]
