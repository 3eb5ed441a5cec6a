"""Recordings sent at a pace of their own."""

import asyncio

from dfd.clients import AsyncDetectionClient, Recording, events


async def streamed(address: str, recording: Recording, pace: float) -> list[events.Event]:
    """Streams one recording at a multiple of real time."""
    told = []
    async with (
        AsyncDetectionClient(address) as client,
        client.stream(recording.audio_format) as stream,
    ):

        async def talk() -> None:
            for chunk in recording.chunks(0.1):
                await stream.send(chunk)
                await asyncio.sleep(0.1 / pace)  # so many times real time
            await stream.finish()

        talking = asyncio.create_task(talk())
        told = [event async for event in stream]
        await talking
    return told
