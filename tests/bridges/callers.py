"""Callers of `dfd bridge audiosocket`, who speak in real time."""

import asyncio
import uuid

from dfd.bridges.audiosocket.messages import Frame, Kind
from tests.bridges.kit import voice
from tests.waiting import turns

FRAME_SECONDS = 0.02


class Caller(asyncio.Protocol):
    """One call, from Asterisk's side of AudioSocket."""

    def __init__(self) -> None:
        self.name = str(uuid.uuid4())
        self.transport: asyncio.Transport | None = None
        self.sent_frames = 0
        self.heard_bytes = 0
        self.dropped = False
        self.hung_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(Frame(Kind.UUID, uuid.UUID(self.name).bytes).encode())

    def data_received(self, data: bytes) -> None:
        self.heard_bytes += len(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.dropped = self.dropped or not self.hung_up

    def talk(self, frame: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frame)
            self.sent_frames += 1

    def hang_up(self) -> None:
        self.hung_up = True
        if self.transport is not None:
            self.transport.close()


async def play(callers: list[Caller], seconds: float) -> None:
    """Sends every call's frames by one clock, without drift."""
    samples = voice(20.0).tobytes()
    frames = [Frame(0x10, samples[at : at + 320]).encode() for at in range(0, len(samples), 320)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(round(seconds / FRAME_SECONDS)):
        delay = began + number * FRAME_SECONDS - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)  # in real time
        elif number % 10 == 0:
            await turns()
        for shift, caller in enumerate(callers):
            caller.talk(frames[(number + 37 * shift) % len(frames)])
