import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.benchmarks.serve import load
from dfd.daemon.options import ServeOptions
from dfd.daemon.server import Server
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import FakeDetector, make_spec


async def test_streams_use_several_connections(tmp_path: Path) -> None:
    """Every stream ends, and every window is counted."""
    path = tmp_path / "noise.wav"
    noise = np.random.default_rng(0).normal(0.0, 0.1, 32_000).astype(np.float32)
    soundfile.write(path, noise, 16_000)
    requests = load.read_requests([path], 0.1)
    assert len(requests) == 20
    options = ServeOptions(port=0, metrics_port=-1)
    async with Server(options, lambda _: FakeDetector(make_spec())) as server:
        plan = load.Plan(f"127.0.0.1:{server.port}", 6, 3, requests, 0.1, 3.0, 0.2)
        seen = await load.run(plan)
    figure = server.metrics.value
    assert seen.errors == []
    assert sum(seen.statuses.values()) == figure("dfd_windows_total", status="scored") + figure(
        "dfd_windows_total", status="insufficient_speech"
    )
    assert figure("dfd_streams_total", end="client_done") == 6
    assert figure("dfd_audio_seconds_total") == pytest.approx(18.0)
    said = json.loads(json.dumps(load.report(plan, seen, 0.9)))
    assert said["generator_cpu_ms_per_stream_second"] == 50.0
    assert said["errors"] == {}
    assert len(seen.latencies) <= seen.statuses["STATUS_SCORED"]


def test_a_recording_at_another_rate_is_resampled(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros((8_000, 2), np.float32), 8_000)
    assert len(load.read_requests([path], 0.1)) == 10


def test_recordings_shorter_than_a_chunk_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(800, np.float32), 16_000)
    with pytest.raises(UserError, match=r"shorter than one chunk of 0\.1 s"):
        load.read_requests([path], 0.1)


def test_latency_is_split_into_network_queue_and_compute() -> None:
    plan = load.Plan("", 1, 1, (), 0.1, 1.0, 0.0)
    seen = load.Seen(
        Counter({"STATUS_SCORED": 2, "STATUS_SHED": 1}),
        latencies=[0.1, 0.01],
        queued=[0.03, 0.006],
        computed=[0.05, 0.005],
    )
    found = load.report(plan, seen, 1.0)
    assert found["windows"] == {"scored": 2, "shed": 1}
    parts = {name: found[f"{name}_ms"] for name in ("latency", "network", "queue", "compute")}
    assert {name: part["max"] for name, part in parts.items()} == {
        "latency": 100.0,
        "network": 20.0,
        "queue": 30.0,
        "compute": 50.0,
    }
    assert {part["count"] for part in parts.values()} == {2}


def test_no_two_streams_send_the_same_audio() -> None:
    content = bytes(3200)
    request = pb.StreamingDetectRequest(audio=pb.AudioChunk(content=content)).SerializeToString()
    names = [(1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0)]
    made = [load._of_its_own(request, 0.1, name) for name in names]
    assert len(set(made)) == len(names)
    for one in made:
        found = pb.StreamingDetectRequest.FromString(one).audio.content
        assert len(found) == len(content)
        assert found[6:] == content[6:]
