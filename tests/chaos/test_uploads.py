"""Large messages are read only after authentication, and if there is room."""

from pathlib import Path

import grpc
import pytest

from dfd.daemon.endpoint.bind import UNREAD_BYTES
from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import Daemon, config, judged
from tests.chaos.raw import DETECT, RawClient, frame

MIB = 1 << 20


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text('[[tokens]]\nname = "a"\ntoken = "right"\n')
    return path


def recording(size: int) -> pb.DetectRequest:
    return pb.DetectRequest(audio_format=config().config.audio_format, audio=bytes(size))


def test_a_recording_without_a_token_is_refused_before_it_is_read(tokens: Path) -> None:
    message = recording(64 * MIB - 100)
    with Daemon("--token-file", str(tokens)) as daemon, daemon.stub() as stub:
        before = daemon.resident_mib
        for _ in range(12):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Detect(message, timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        # twelve of them are 768 MiB
        assert daemon.resident_mib - before < 120


def test_recordings_beyond_the_memory_limit_wait_unread() -> None:
    limits = ("--max-recording-bytes", str(8 * MIB), "--upload-bytes", str(8 * MIB))
    data = frame(recording(8 * MIB - 100).SerializeToString())
    with Daemon(*limits, "--upload-timeout-seconds", "6") as daemon:
        with RawClient(daemon.port) as first, RawClient(daemon.port) as second:
            taken = first.push(first.call(DETECT), data[: 6 * MIB], 10.0)
            assert taken == 6 * MIB
            # there is room for one; of others only what a call may send before it is read
            assert second.push(second.call(DETECT), data, 0.5) == UNREAD_BYTES
            daemon.until(lambda: daemon.figure("dfd_errors_total", reason="UPLOAD_TIMEOUT") == 2)
        daemon.until(lambda: daemon.figure("dfd_streams_active") == 0)
        with daemon.stub() as stub:
            stub.Detect(recording(MIB), timeout=30)
        assert judged(daemon)[-1].HasField("summary")


def test_what_waits_unread_does_not_grow_with_the_speed_of_the_link() -> None:
    limits = ("--max-recording-bytes", str(8 * MIB), "--upload-bytes", str(8 * MIB))
    data = frame(recording(8 * MIB - 100).SerializeToString())
    with Daemon(*limits) as daemon, RawClient(daemon.port) as first:
        assert first.push(first.call(DETECT), data[: 6 * MIB], 10.0) == 6 * MIB
        with RawClient(daemon.port) as second:
            # gRPC's estimate of a link doubles with each burst that it carries
            for _ in range(4):
                assert second.push(second.call(DETECT), data, 0.5) == UNREAD_BYTES
