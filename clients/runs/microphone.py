"""The microphone, judged live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dfd.clients import events as ev
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions
from dfd.clients.sources.microphone import Block, Device, Microphone
from dfd.clients.stream import DetectionStream
from dfd.errors import UserError


@dataclass(eq=False)
class Listening:
    """The result of listening.

    Attributes:
        summary: None if the stream ended with an error.
        lost_seconds: audio that no server scored.
        fault: why it ended early; audio heard before that is judged all the same.
    """

    stream_id: str = ""
    heard_seconds: float = 0.0
    lost_seconds: float = 0.0
    alerts: list[ev.Alert] = field(default_factory=list)
    summary: ev.Summary | None = None
    fault: UserError | None = None


async def listen(
    client: AsyncDetectionClient,
    device: Device,
    options: StreamOptions,
    *,
    stop: asyncio.Event,
    seconds: float | None = None,
    on_block: Callable[[Block, float], None] = lambda block, elapsed: None,
    on_event: Callable[[str, ev.Event], None] = lambda stream_id, event: None,
) -> Listening:
    """Streams the microphone until `stop` is set or the time is up.

    Args:
        client: the server.
        device: the input.
        options: how it is judged.
        stop: set it to end; the last results and the summary still arrive.
        seconds: ends by itself after this much audio.
        on_block: called with every block of audio and the time heard so far.
        on_event: called with every event.

    Raises:
        DetectionError: if the stream ended with an error.
        UserError: if the device cannot be opened.
    """
    result = Listening()
    async with Microphone(device) as microphone:
        stream = client.stream(microphone.audio_format, options=options)
        result.stream_id = stream.stream_id
        async with stream:
            sender = asyncio.create_task(_send(microphone, stream, stop, seconds, on_block, result))
            stopper = asyncio.create_task(_stop(microphone, stop))
            try:
                async for event in stream:
                    _take(result, event)
                    on_event(stream.stream_id, event)
            finally:
                stopper.cancel()
                if not sender.done():
                    microphone.stop()
                done = (await asyncio.gather(sender, stopper, return_exceptions=True))[0]
            if isinstance(done, Exception):
                raise done
    return result


async def _stop(microphone: Microphone, stop: asyncio.Event) -> None:
    await stop.wait()
    microphone.stop()


async def _send(
    microphone: Microphone,
    stream: DetectionStream,
    stop: asyncio.Event,
    seconds: float | None,
    on_block: Callable[[Block, float], None],
    result: Listening,
) -> None:
    first: int | None = None
    ended_by_itself = True
    async for block in microphone:
        first = block.offset if first is None else first
        if not await stream.send(block.content, block.offset - first):
            return
        result.heard_seconds = stream.position_seconds
        on_block(block, result.heard_seconds)
        if stop.is_set() or (seconds is not None and result.heard_seconds >= seconds):
            ended_by_itself = False
            break
    await stream.finish()
    if ended_by_itself and not stop.is_set() and not stream.over:
        name = microphone.device.name
        result.fault = UserError(f"the device {name!r} was disconnected: connect it again")


def _take(result: Listening, event: ev.Event) -> None:
    match event:
        case ev.Alert() if not event.cleared:
            result.alerts.append(event)
        case ev.Reconnected() | ev.AudioLost():
            result.lost_seconds += event.lost_seconds
        case ev.Summary():
            result.summary = event
        case _:
            pass
