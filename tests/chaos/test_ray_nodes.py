"""A Ray cluster of several nodes: one of them is killed, and the head."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients import Recording, events, open_recording
from dfd.clients.events import WindowStatus
from tests.chaos.daemon import Daemon
from tests.chaos.paced import streamed
from tests.chaos.ray_nodes import Cluster, NotStartedError

pytestmark = pytest.mark.by_hand
STREAMS, SECONDS = 4, 24.0
ENGINE = ("--engine", "ray://auto/dfd?replicas=2", "--admission", "fixed")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A head that scores nothing, and two nodes with a replica each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dfd[ray]'")
    try:
        made = Cluster(tmp_path, cpus=0)
    except NotStartedError:
        pytest.skip("Ray's node does not start within its own time: this machine is too busy")
    try:
        for _ in range(2):
            made.add(cpus=1)
        yield made
    except NotStartedError:
        pytest.skip("Ray's node does not start within its own time: this machine is too busy")
    finally:
        made.close()


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
    ) as front:
        running = [
            asyncio.create_task(streamed(front.address, one, pace=1.0)) for one in recordings
        ]
        await asyncio.to_thread(
            front.until, lambda: front.figure("dfd_windows_total", status="scored") >= STREAMS
        )
        _, first, second = cluster.nodes
        assert [len(cluster.replicas(node)) for node in (first, second)] == [1, 1]
        await asyncio.to_thread(cluster.kill, first)
        found = await asyncio.gather(*running)
    for told in found:
        assert isinstance(told[-1], events.Summary)
        assert told[-1].end_reason is events.EndReason.CLIENT_DONE
        assert {one.status for one in windows(told)} == {WindowStatus.SCORED}
        assert max(one.queue_seconds + one.compute_seconds for one in windows(told)) < 5.0
