"""Recordings sent at a pace of their own."""

import asyncio

from dfd.clients import AsyncDetectionClient, Recording, events
from tests.waiting import paced


async def streamed(address: str, recording: Recording, pace: float) -> list[events.Event]:
    """Streams one recording at a multiple of real time."""
    told = []
    async with (
        AsyncDetectionClient(address) as client,
        client.stream(recording.audio_format) as stream,
    ):

        async def talk() -> None:
            async for chunk in paced(recording.chunks(0.1), 0.1 / pace):
                await stream.send(chunk)
            await stream.finish()

        talking = asyncio.create_task(talk())
        told = [event async for event in stream]
        await talking
    return told
