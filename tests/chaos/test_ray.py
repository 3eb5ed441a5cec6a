"""A daemon that scores on a Ray cluster has the same scores, and loses none with a replica."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfd.clients import Recording, events, open_recording
from tests.chaos.daemon import Daemon
from tests.chaos.paced import streamed
from tests.chaos.ray_nodes import Cluster, running, scores_for

pytestmark = pytest.mark.by_hand
SENTENCES = (
    "Please confirm the transfer of the whole amount to the new account before noon.",
    "Nobody has ever spoken this sentence, and still you can hear it very well indeed.",
)
VOICES = ("en-us", "en-gb", "de", "fr", "es")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """Makes ten recordings of some seconds each."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("nothing to speak with: apt-get install espeak-ng")
    folder = tmp_path_factory.mktemp("speech")
    made = []
    for number, (voice, sentence) in enumerate((v, s) for v in VOICES for s in SENTENCES):
        path = folder / f"{number}.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-w", path, sentence * 2], check=True)
        made.append(open_recording(path))
    return made


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    yield from running(tmp_path, cpus=4)


async def test_ten_streams_have_the_same_scores_although_a_replica_dies(
    recordings: list[Recording], cluster: Cluster
) -> None:
    # sent faster than real time, a stream is slowed down rather than shed on a slow machine
    with Daemon(model="bundled") as local:
        expected = await asyncio.gather(
            *(streamed(local.address, one, pace=10.0) for one in recordings)
        )
    engine = ("--engine", "ray://auto/dfd?replicas=2", "--admission", "fixed")
    with Daemon(*engine, model="bundled", environment=cluster.environment) as daemon:
        running = [
            asyncio.create_task(streamed(daemon.address, one, pace=10.0)) for one in recordings
        ]
        await asyncio.to_thread(
            daemon.until, lambda: daemon.figure("dfd_windows_total", status="scored") >= 10
        )
        (head,) = cluster.nodes
        both = cluster.replicas(head)
        assert len(both) == 2
        (used,) = (one for one in both if scores_for(daemon, one))
        used.send_signal(signal.SIGKILL)
        assert not all(one.done() for one in running)
        found = await asyncio.gather(*running)
        assert daemon.figure("dfd_windows_total", status="failed") == 0
        assert daemon.figure("dfd_windows_total", status="shed") == 0
    for mine, wanted in zip(found, expected, strict=True):
        one, other = mine[-1], wanted[-1]
        assert isinstance(one, events.Summary)
        assert isinstance(other, events.Summary)
        assert one.end_reason is events.EndReason.CLIENT_DONE
        (got,), (like,) = one.channels, other.channels
        assert got.verdict is like.verdict
        assert got.windows_scored == like.windows_scored
        assert got.cumulative_score is not None
        assert like.cumulative_score is not None
        assert got.cumulative_score.spoof_probability == pytest.approx(
            like.cumulative_score.spoof_probability, abs=1e-3
        )
