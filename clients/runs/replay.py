"""Recordings as live streams: paced, concurrent and timed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle, islice

from dfd.clients import events as ev
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import StreamOptions
from dfd.clients.runs.latency import Latency
from dfd.clients.sources.recording import Recording
from dfd.clients.stream import DetectionStream
from dfd.errors import UserError
from dfd.recordings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How recordings are replayed.

    Attributes:
        speed: 1 is real time; None is as fast as the server accepts audio.
        streams: concurrent streams; recordings are reused if there are fewer.
        repeat: how often each recording is replayed.
        chunk_seconds: length of audio in each message.
        ramp_seconds: the starts of the first streams are spread over this time, as with calls.
        stream: how the streams are judged; its `stream_id` is a prefix.
    """

    speed: float | None = 1.0
    streams: int = 1
    repeat: int = 1
    chunk_seconds: float = 0.1
    ramp_seconds: float = 0.0
    stream: StreamOptions = field(default_factory=StreamOptions)


@dataclass(eq=False)
class Replay:
    """One replay of a recording, and its result.

    Attributes:
        number: number of the replay in a run, from 0.
        sent_seconds: audio sent so far.
        findings: what was cut short, damaged or not read.
        error: why it ended early; None if the summary arrived.
    """

    number: int
    recording: Recording
    stream_id: str = ""
    running: bool = False
    sent_seconds: float = 0.0
    started: ev.Started | None = None
    windows: list[ev.WindowResult] = field(default_factory=list)
    alerts: list[ev.Alert] = field(default_factory=list)
    warnings: list[ev.StreamWarning] = field(default_factory=list)
    activity: list[ev.SpeechActivity] = field(default_factory=list)
    lost_seconds: float = 0.0
    summary: ev.Summary | None = None
    findings: list[Finding] = field(default_factory=list)
    error: Exception | None = None
    latency: Latency = field(default_factory=Latency)
    window_latency: list[float | None] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file as the user named it, with the track if it has several."""
        return self.recording.name

    @property
    def incomplete(self) -> bool:
        """Whether some of the recording's audio was not judged."""
        return any(finding.kind.incomplete for finding in self.findings)

    @property
    def latest(self) -> ev.WindowResult | None:
        """The most recent window's result."""
        return self.windows[-1] if self.windows else None


def plan(recordings: Iterable[Recording], options: ReplayOptions) -> list[Replay]:
    """Plans a run: every recording `repeat` times, and at least `streams` replays in all."""
    each = [recording for _ in range(options.repeat) for recording in recordings]
    count = max(len(each), options.streams)
    return [
        Replay(number, recording) for number, recording in enumerate(islice(cycle(each), count))
    ]


async def run(
    client: AsyncDetectionClient,
    replays: list[Replay],
    options: ReplayOptions,
    on_event: Callable[[Replay, ev.Event], None] = lambda replay, event: None,
) -> None:
    """Runs all replays, `options.streams` at once; a failed one does not stop the others.

    Args:
        client: the server.
        replays: the result of `plan`; each is filled in as it runs.
        options: how to replay.
        on_event: called with every event of every stream, in order of arrival.
    """
    slots = asyncio.Semaphore(options.streams)

    async def one(replay: Replay) -> None:
        if options.ramp_seconds and replay.number < options.streams:
            await asyncio.sleep(options.ramp_seconds * replay.number / options.streams)
        async with slots:
            replay.running = True
            try:
                await _replay(client, replay, options, on_event)
            except (DetectionError, UserError) as error:
                replay.error = error
            finally:
                replay.running = False

    async with asyncio.TaskGroup() as group:
        for replay in replays:
            group.create_task(one(replay))


async def _replay(
    client: AsyncDetectionClient,
    replay: Replay,
    options: ReplayOptions,
    on_event: Callable[[Replay, ev.Event], None],
) -> None:
    stream = client.stream(
        replay.recording.audio_format, options=options.stream, live=False, buffer_seconds=2.0
    )
    replay.stream_id = stream.stream_id
    async with stream:
        sender = asyncio.create_task(_send(stream, replay, options))
        try:
            async for event in stream:
                _take(replay, event, options.chunk_seconds)
                on_event(replay, event)
        finally:
            if not stream.over:
                sender.cancel()
            done = (await asyncio.gather(sender, return_exceptions=True))[0]
        if isinstance(done, Exception):
            raise done


async def _send(stream: DetectionStream, replay: Replay, options: ReplayOptions) -> None:
    """Sends each chunk at the moment its last sample would have been spoken."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    chunks = replay.recording.chunks(options.chunk_seconds)
    try:
        # reading and decoding a short chunk of a file blocks only for a moment; a pipe may wait
        ahead = replay.recording.again
        while chunk := next(chunks, b"") if ahead else await asyncio.to_thread(next, chunks, b""):
            frames = len(chunk) // stream.audio_format.bytes_per_frame
            end = replay.sent_seconds + stream.audio_format.seconds(frames)
            if options.speed is not None:
                await asyncio.sleep(max(0.0, began + end / options.speed - loop.time()))
            replay.sent_at.append(time.monotonic())
            if not await stream.send(chunk):
                return
            replay.sent_seconds = end
            await asyncio.sleep(0)
    except BaseException:
        await stream.aclose()
        raise
    finally:
        replay.findings = chunks.findings
        chunks.close()
    await stream.finish()


def _take(replay: Replay, event: ev.Event, chunk_seconds: float) -> None:
    match event:
        case ev.Started():
            replay.started = event
        case ev.WindowResult():
            took: float | None = None
            if event.status is ev.WindowStatus.SCORED and replay.sent_at:
                chunk = math.ceil(event.end_seconds / chunk_seconds - 1e-6) - 1
                sent = replay.sent_at[min(max(chunk, 0), len(replay.sent_at) - 1)]
                took = time.monotonic() - sent
                replay.latency.add(took, event.queue_seconds, event.compute_seconds)
            replay.windows.append(event)
            replay.window_latency.append(took)
        case ev.Alert():
            replay.alerts.append(event)
        case ev.StreamWarning():
            replay.warnings.append(event)
        case ev.SpeechActivity():
            replay.activity.append(event)
        case ev.Reconnected() | ev.AudioLost():
            replay.lost_seconds += event.lost_seconds
        case ev.Summary():
            replay.summary = event
        case _:
            pass
