"""Helpers for tests of the bridges: speech, G.711 encoders, a scripted daemon."""

import contextlib
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.bridges.exchange import Exchange
from dfd.bridges.media.g711 import alaw_samples, mulaw_samples
from dfd.bridges.options import LIVE_RETRY, BridgeOptions
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.events import Event
from tests.clients.scripted import ScriptedServer

Samples = NDArray[np.int16]


class MemorySink:
    """Keeps all events."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Event, dict[str, object]]] = []
        self.closed = False

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        self.told.append((stream_id, event, more))

    def close(self) -> None:
        self.closed = True

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for _, event, _ in self.told if isinstance(event, kind)]


def voice(seconds: float, rate: int = 8000, seed: int = 1) -> Samples:
    """Makes something like a voice: gliding harmonics, alternately loud and soft."""
    draw = np.random.default_rng(seed)
    time_line = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 25 * np.sin(2 * np.pi * 0.7 * time_line + draw.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = sum(np.sin(k * phase) / k for k in range(1, 12))
    loud = 0.15 + 0.85 * np.clip(np.sin(2 * np.pi * 1.3 * time_line), 0, 1)
    noise = 0.02 * draw.standard_normal(len(time_line))
    return np.clip((0.25 * sound * loud + noise) * 20000, -32767, 32767).astype("<i2")


def _encoder(table: Callable[[bytes], Samples]) -> Callable[[Samples], bytes]:
    values = table(bytes(range(256))).astype(np.int32)
    order = np.argsort(values, kind="stable")
    known = values[order]

    def encode(samples: Samples) -> bytes:
        wide = samples.astype(np.int32)
        above = np.clip(np.searchsorted(known, wide), 1, 255)
        nearer = wide - known[above - 1] <= known[above] - wide
        return order[np.where(nearer, above - 1, above)].astype(np.uint8).tobytes()

    return encode


mulaw = _encoder(mulaw_samples)
alaw = _encoder(alaw_samples)


def heard(server: ScriptedServer, stream_id: str) -> bytes:
    """Returns all audio of one stream on its time line, with zeros for lost audio."""
    line = bytearray()
    for connection in server.connections:
        if connection.config.stream_id != stream_id:
            continue
        declared = connection.config.audio_format
        width = {1: 2, 2: 1, 3: 1, 4: 4}[declared.encoding] * declared.channel_count
        at = 0
        for chunk in connection.chunks:
            if chunk.HasField("sample_offset"):
                at = chunk.sample_offset * width
            end = at + len(chunk.content)
            line.extend(bytes(max(0, end - len(line))))
            line[at:end] = chunk.content
            at = end
    return bytes(line)


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Returns the logged events with their fields."""
    return [
        {"event": one.getMessage(), **getattr(one, "fields", {})}
        for one in caplog.records
        if one.name.startswith("dfd")
    ]


@contextlib.asynccontextmanager
async def exchange_to(
    server: ScriptedServer | str, **options: object
) -> AsyncIterator[tuple[Exchange, MemorySink]]:
    """Makes an exchange whose calls go to a daemon, scripted or real."""
    sink = MemorySink()
    address = server if isinstance(server, str) else server.address
    async with AsyncDetectionClient(address, retry=LIVE_RETRY) as client:
        chosen = BridgeOptions(**{"drain_seconds": 5.0, **options})  # type: ignore[arg-type]
        exchange = Exchange(client, chosen, sink)
        try:
            yield exchange, sink
        finally:
            await exchange.aclose()
