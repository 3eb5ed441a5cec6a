"""The clients against `dfd serve` and the bundled model."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys

import pytest

from dfd.clients import events as ev
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.runs.local_daemon import answers, local_daemon
from dfd.clients.sources.recording import Recording, open_recording
from tests.clients.command import DFD, clean

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")


pytestmark = pytest.mark.slow


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    if shutil.which("espeak-ng") is None:
        pytest.skip("nothing to speak with: apt-get install espeak-ng")
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    words = "Nobody has ever spoken this sentence, and still you can hear it very well indeed. "
    subprocess.run(["espeak-ng", "-w", str(path), words * 3], check=True)
    return open_recording(path)


_HOLD = """
import time
from dfd.clients.runs.local_daemon import started_daemon

with started_daemon(["--model=noop"]) as daemon:
    print(daemon.address, flush=True)
    time.sleep(120)  # until it is terminated
"""


def test_a_local_daemon_ends_when_its_client_is_terminated() -> None:
    command = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        address = holder.stdout.readline().strip()
        assert answers(address)
        holder.terminate()
        assert holder.wait(60) == 128 + signal.SIGTERM
    assert not answers(address)


async def test_a_stream_survives_its_daemon(speech: Recording) -> None:
    """Scores are the same streamed and whole; the daemon drains, and another takes its port."""
    chunks = list(speech.chunks(0.1))
    half = len(chunks) // 2
    with contextlib.ExitStack() as first:
        address = await asyncio.to_thread(first.enter_context, local_daemon())
        async with AsyncDetectionClient(address) as client:
            streamed = [e async for e in client.stream_events(chunks, speech.audio_format)][-1]
            whole = (await client.detect(speech)).summary
            assert isinstance(streamed, ev.Summary)
            one, other = streamed.channels[0], whole.channels[0]
            assert one.audio_seconds == pytest.approx(speech.seconds, abs=0.05)
            assert one.windows_scored == other.windows_scored > 3
            assert one.mean_spoof_probability == pytest.approx(
                other.mean_spoof_probability, abs=1e-3
            )

            async with client.stream(speech.audio_format, buffer_seconds=60) as stream:
                events = aiter(stream)
                for chunk in chunks[:half]:
                    await stream.send(chunk)
                while not isinstance(await anext(events), ev.WindowResult):
                    pass
                closing = asyncio.create_task(asyncio.to_thread(first.close))
                while not isinstance(lost := await anext(events), ev.ConnectionLost):
                    pass
                await closing
                assert not answers(address)
                process = await serve(address.rpartition(":")[2])
                try:
                    await stream.send_all(chunks[half:])
                    rest = [event async for event in events]
                finally:
                    process.terminate()
                    await process.wait()
    assert lost.reason == "SERVER_DRAINING"
    assert lost.summary is not None
    assert sum(isinstance(event, ev.Reconnected) for event in rest) == 1
    last = rest[-1]
    assert isinstance(last, ev.Summary)
    assert last.end_reason is ev.EndReason.CLIENT_DONE
    assert last.channels[0].audio_seconds == pytest.approx(speech.seconds, abs=0.05)
    assert stream.lost_seconds == 0


async def serve(port: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *DFD, "serve", "--port", port, "--no-metrics",
        env=clean(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(120):
        assert b"ready" in await process.stdout.readline()
    return process
