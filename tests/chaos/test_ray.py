"""A daemon that scores on a Ray cluster has the same scores, and loses none with a replica."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dfd.clients import Recording, events, open_recording
from tests.chaos.daemon import Daemon
from tests.chaos.paced import streamed
from tests.deploy.proxies import free_port

pytestmark = pytest.mark.by_hand
SENTENCES = (
    "Please confirm the transfer of the whole amount to the new account before noon.",
    "Nobody has ever spoken this sentence, and still you can hear it very well indeed.",
)
VOICES = ("en-us", "en-gb", "de", "fr", "es")
ATTEMPTS = 3


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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Starts a Ray cluster of one node; yields the environment in which it is found."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dfd[ray]'")
    quick = tmp_path_factory.mktemp("quick")
    # jsonschema would import a grammar that takes seconds, and Ray's agent has fifteen
    (quick / "rfc3987_syntax.py").write_text("raise ImportError\n")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{quick}:{os.environ.get('PYTHONPATH', '')}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    for _ in range(ATTEMPTS):
        folder, port = tmp_path_factory.mktemp("ray"), free_port()
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *(f"--port={port}", "--num-cpus=4", "--include-dashboard=false"),
            *(f"--temp-dir=/tmp/dfd-ray-{port}", "--object-store-memory=200000000"),
        ]
        log = folder / "log"
        with log.open("w") as file:
            node = subprocess.Popen(
                command, stdout=file, stderr=file, env=environment, start_new_session=True
            )
        try:
            if started(node, log):
                yield {
                    name: environment[name]
                    for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE")
                } | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
                return
        finally:
            end(node)
            shutil.rmtree(f"/tmp/dfd-ray-{port}", ignore_errors=True)
    pytest.skip("Ray's node does not start within its own time: this machine is too busy")


def started(node: subprocess.Popen[bytes], log: Path) -> bool:
    for _ in range(1000):
        if "Ray runtime started" in log.read_text():
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.wait(0.1)
            return False
    return False


def end(node: subprocess.Popen[bytes]) -> None:
    """Ends the node with all processes that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(node.pid).children(recursive=True)
        node.terminate()
        _, alive = psutil.wait_procs(family, 10)
        for one in alive:
            one.kill()
    node.kill()
    node.wait()


def replicas(node_port: str) -> list[psutil.Process]:
    """Returns the processes of the engine in the cluster of this port."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "ServeReplica:dfd:Engine" in " ".join(one.cmdline()) and any(
                f"dfd-ray-{node_port}" in word for word in family(one)
            ):
                found.append(one)
    return found


def family(one: psutil.Process) -> list[str]:
    return [word for parent in one.parents() for word in parent.cmdline()]


async def test_ten_streams_have_the_same_scores_although_a_replica_dies(
    recordings: list[Recording], cluster: dict[str, str]
) -> None:
    with Daemon(model="bundled") as local:
        expected = await asyncio.gather(
            *(streamed(local.address, one, pace=10.0) for one in recordings)
        )
    engine = ("--engine", "ray://auto/dfd?replicas=2", "--admission", "fixed")
    with Daemon(*engine, model="bundled", environment=cluster) as daemon:
        running = [
            asyncio.create_task(streamed(daemon.address, one, pace=1.0)) for one in recordings
        ]
        await asyncio.to_thread(
            daemon.until, lambda: daemon.figure("dfd_windows_total", status="scored") >= 10
        )
        port = cluster["RAY_ADDRESS"].rpartition(":")[2]
        both = replicas(port)
        assert len(both) == 2
        both[0].send_signal(signal.SIGKILL)
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
        windows = [event for event in mine if isinstance(event, events.WindowResult)]
        assert max(one.queue_seconds + one.compute_seconds for one in windows) < 5.0
