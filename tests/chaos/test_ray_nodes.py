"""A Ray cluster of several nodes: one of them is killed, or the head."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients import AsyncDetectionClient, AudioFormat, Recording, events, open_recording
from dfd.clients.events import WindowStatus
from dfd.clients.options import StreamOptions, VadOptions
from tests.chaos.daemon import Daemon
from tests.chaos.paced import streamed
from tests.chaos.ray_nodes import Cluster, running, scores_for

pytestmark = pytest.mark.by_hand
STREAMS, SECONDS = 4, 24.0
ENGINE = ("--engine", "ray://auto/dfd?replicas=2", "--admission", "fixed")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A head that scores nothing, and two nodes with a replica each."""
    yield from running(tmp_path, cpus=0, nodes=2)


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose head is all of it."""
    yield from running(tmp_path, cpus=2)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    made = []
    for number in range(STREAMS):
        path = tmp_path / f"{number}.wav"
        noise = np.random.default_rng(number).standard_normal(int(16_000 * SECONDS))
        soundfile.write(path, 0.1 * noise, 16_000)
        made.append(open_recording(path))
    return made


def windows(told: list[events.Event]) -> list[events.WindowResult]:
    return [event for event in told if isinstance(event, events.WindowResult)]


async def test_no_window_is_lost_with_a_node(cluster: Cluster, recordings: list[Recording]) -> None:
    with Daemon(
        *ENGINE, "--deadline-seconds", "6", model="bundled", environment=cluster.environment
    ) as daemon:
        running = [
            asyncio.create_task(streamed(daemon.address, one, pace=1.0)) for one in recordings
        ]
        await asyncio.to_thread(
            daemon.until, lambda: daemon.figure("dfd_windows_total", status="scored") >= STREAMS
        )
        _, *both = cluster.nodes
        assert [len(cluster.replicas(node)) for node in both] == [1, 1]
        (used,) = (node for node in both if scores_for(daemon, *cluster.replicas(node)))
        await asyncio.to_thread(cluster.kill, used)
        found = await asyncio.gather(*running)
    for told in found:
        assert isinstance(told[-1], events.Summary)
        assert told[-1].end_reason is events.EndReason.CLIENT_DONE
        assert {one.status for one in windows(told)} == {WindowStatus.SCORED}
        assert max(one.queue_seconds + one.compute_seconds for one in windows(told)) < 5.0


async def test_a_daemon_scores_by_itself_when_the_head_is_gone(
    lone: Cluster, recordings: list[Recording]
) -> None:
    """The head, and with it the node of the daemon and the replica, is killed in mid-stream."""
    engine = ("--engine", "ray://auto/dfd?fallback=local", "--admission", "fixed")
    with Daemon(*engine, model="bundled", environment=lone.environment) as front:
        streams = [
            asyncio.create_task(streamed(front.address, one, pace=1.0)) for one in recordings
        ]
        await asyncio.to_thread(
            front.until, lambda: front.figure("dfd_windows_total", status="scored") >= STREAMS
        )
        (head,) = lone.nodes
        await asyncio.to_thread(lone.kill, head)
        found = await asyncio.gather(*streams)
        assert front.logged("scoring on this machine until the Ray cluster answers")
    for told in found:
        assert isinstance(told[-1], events.Summary)
        assert told[-1].end_reason is events.EndReason.CLIENT_DONE
        assert not any(isinstance(event, events.ConnectionLost) for event in told)
        assert {one.status for one in windows(told)} == {WindowStatus.SCORED}
        assert max(one.queue_seconds + one.compute_seconds for one in windows(told)) < 5.0


async def test_streams_keep_their_evidence_until_another_head_is_there(lone: Cluster) -> None:
    """Without a model of its own the daemon says so, and goes on with the next cluster."""
    engine = ("--engine", "ray://auto", "--admission", "fixed")
    enough = asyncio.Event()
    with Daemon(*engine, model="bundled", environment=lone.environment) as front:

        def count(status: str) -> float:
            return front.figure("dfd_windows_total", status=status)

        async def until(status: str, more_than: float) -> None:
            await asyncio.to_thread(
                front.until, lambda: stream.done() or count(status) > more_than, 90.0
            )

        stream = asyncio.create_task(endless(front.address, enough))
        await until("scored", 1)
        (head,) = lone.nodes
        await asyncio.to_thread(lone.kill, head)
        await until("failed", 0)
        before = count("scored")
        await asyncio.to_thread(lone.start_head, 2)
        await until("scored", before)
        enough.set()
        told = await stream
    assert isinstance(told[-1], events.Summary)
    assert told[-1].end_reason is events.EndReason.CLIENT_DONE
    assert not any(isinstance(event, events.ConnectionLost) for event in told)
    statuses = [one.status for one in windows(told)]
    assert WindowStatus.FAILED in statuses
    assert statuses[0] is statuses[-1] is WindowStatus.SCORED
    (channel,) = told[-1].channels
    assert channel.windows_scored == statuses.count(WindowStatus.SCORED)
    assert channel.windows_failed == statuses.count(WindowStatus.FAILED)


async def test_a_daemon_on_another_node_outlives_the_head(
    cluster: Cluster, recordings: list[Recording]
) -> None:
    """The daemon names the head, and its own node and the replicas' stay when that is killed."""
    engine = ("--engine", f"ray://127.0.0.1:{cluster.port}/dfd?replicas=2", "--admission", "fixed")
    here = {name: value for name, value in cluster.environment.items() if name != "RAY_ADDRESS"}
    with Daemon(*engine, "--deadline-seconds", "6", model="bundled", environment=here) as daemon:
        streams = [
            asyncio.create_task(streamed(daemon.address, one, pace=1.0)) for one in recordings
        ]
        await asyncio.to_thread(
            daemon.until, lambda: daemon.figure("dfd_windows_total", status="scored") >= STREAMS
        )
        head, *_ = cluster.nodes
        await asyncio.to_thread(cluster.kill, head)
        found = await asyncio.gather(*streams)
    for told in found:
        assert isinstance(told[-1], events.Summary)
        assert told[-1].end_reason is events.EndReason.CLIENT_DONE
        assert {one.status for one in windows(told)} == {WindowStatus.SCORED}


async def endless(address: str, enough: asyncio.Event) -> list[events.Event]:
    """Streams noise in real time until it is enough."""
    noise = np.random.default_rng(0).integers(-3000, 3000, 1600, dtype="<i2").tobytes()
    options = StreamOptions(vad=VadOptions(min_speech_seconds=0.0))
    async with (
        AsyncDetectionClient(address) as client,
        client.stream(AudioFormat(sample_rate_hz=16_000), options=options) as stream,
    ):

        async def talk() -> None:
            while not enough.is_set():
                await stream.send(noise)
                await asyncio.sleep(0.1)  # in real time
            await stream.finish()

        talking = asyncio.create_task(talk())
        told = [event async for event in stream]
        await talking
    return told
