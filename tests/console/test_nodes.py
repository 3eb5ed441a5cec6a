"""The console of several nodes: the streams of all in one list."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients import AsyncDetectionClient, StreamOptions, open_recording
from dfd.clients.options import Connection
from tests.chaos.daemon import Daemon

pytest.importorskip("nicegui", reason="no console: pip install 'dfd[console]'")
from dfd.console import calls
from dfd.console.hub import Hub
from tests.waiting import until


@contextlib.asynccontextmanager
async def call(server: str, name: str, path: Path) -> AsyncIterator[None]:
    """A stream that runs until it is left."""
    recording = open_recording(path)
    options = StreamOptions(stream_id=name)
    async with (
        AsyncDetectionClient(server) as client,
        client.stream(recording.audio_format, options=options, live=False) as stream,
    ):
        for chunk in recording.chunks(1.0):
            await stream.send(chunk)
        yield


async def test_streams_of_all_nodes_are_listed_with_their_node(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(48_000), 16_000)
    with Daemon() as one, Daemon() as other:
        hub = Hub([Connection(server=one.address), Connection(server=other.address)])
        try:
            async with call(one.address, "call-1", path), call(other.address, "call-2", path):
                await until(lambda: len(hub.streams.streams) == 2)
                assert not hub.trouble
                shown = calls.rows(hub, hub.streams.streams.values(), "")
                assert {row["stream"]: row["node"] for row in shown} == {
                    "call-1": one.address,
                    "call-2": other.address,
                }
                other.process.kill()
                await until(lambda: bool(hub.trouble))
                assert (
                    hub.trouble == f"no daemon answers at {other.address}; start one with dfd serve"
                )
                assert hub.reached
                assert any(s.stream_id == "call-1" for s in hub.streams.streams.values())
        finally:
            await hub.aclose()


async def test_a_single_daemon_has_no_column_for_it() -> None:
    hub = Hub([Connection(server="127.0.0.1:1")])
    try:
        await until(lambda: "no daemon answers" in hub.trouble)
        assert not hub.reached
        assert hub.place("any") == ""
    finally:
        await hub.aclose()
