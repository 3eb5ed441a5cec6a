"""A proxy does not change a stream: its length, its pauses, its responses, its end."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dfd.daemon.options import ServeOptions
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.certificates import issue
from tests.chaos.daemon import RATE, Daemon, audio, config
from tests.deploy.proxies import DEPLOY, haproxy, in_front, nginx, seconds
from tests.waiting import wait_until

NAMES = ["nginx", "haproxy"]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with Daemon("--idle-timeout-seconds", "3") as one:
        yield one


@pytest.fixture(params=NAMES)
def channel(request: Any, daemon: Daemon, tmp_path: Path) -> Iterator[grpc.Channel]:
    """Opens a TLS channel to the proxy."""
    metrics = int(daemon.metrics_url.split(":")[2].split("/")[0])
    with in_front(request.param, tmp_path, daemon.port, metrics) as (port, certificate, _):
        trusted = grpc.ssl_channel_credentials(certificate.cert_path.read_bytes())
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        with grpc.secure_channel(f"localhost:{port}", trusted, options) as channel:
            made = DetectionServiceStub(channel)
            daemon.until(lambda: answers(made))  # HAProxy first checks whether the daemon is ready
            yield channel


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    return DetectionServiceStub(channel)


def told_details(error: Any) -> bool:
    """Returns whether the status came with its reason."""
    return any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata())


def answers(stub: Any) -> bool:
    try:
        return bool(stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=10).version)
    except grpc.RpcError:
        return False


def test_a_long_stream_passes_and_results_arrive_meanwhile(stub: Any) -> None:
    heard: list[pb.StreamingDetectResponse] = []
    first: list[float] = []

    def requests() -> Iterator[pb.StreamingDetectRequest]:
        yield config()
        for _ in range(70):  # 2.2 MB; nginx accepts 1 MB by default
            yield audio(1.0)
        # results arrive during the request
        wait_until(lambda: any(one.HasField("window") for one in heard))
        first.append(time.monotonic())
        yield audio(1.0)

    for answer in stub.StreamingDetect(requests(), timeout=120):
        heard.append(answer)  # noqa: PERF402 - while `requests` looks
    assert first
    (channel,) = heard[-1].summary.channels
    assert channel.audio_duration.ToSeconds() == 71
    assert channel.windows_shed == 0


def test_a_large_recording_passes(stub: Any) -> None:
    sound = config().config.audio_format
    recording = pb.DetectRequest(audio_format=sound, audio=b"\0\x08\0\xf8" * (RATE // 2 * 120))
    answer = stub.Detect(recording, timeout=120)  # 3.8 MB
    assert answer.summary.channels[0].audio_duration.ToSeconds() == 120


def test_a_pause_ends_by_the_daemons_timeout_with_its_reason(stub: Any) -> None:
    def requests() -> Iterator[pb.StreamingDetectRequest]:
        yield config()
        yield audio(1.0)
        time.sleep(1.0)  # less than the daemon waits
        yield audio(1.0)
        over.wait(30.0)

    over = threading.Event()
    told: list[pb.StreamingDetectResponse] = []
    with pytest.raises(grpc.RpcError) as caught:
        told.extend(stub.StreamingDetect(requests(), timeout=60))
    over.set()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert " for 3 s; send silence" in str(caught.value.details())
    assert told[-1].summary.channels[0].audio_duration.ToSeconds() == 2
    assert told_details(caught.value)


def test_a_refusal_reaches_a_client_that_is_still_sending(stub: Any) -> None:
    def requests() -> Iterator[pb.StreamingDetectRequest]:
        yield config(model="another")
        for _ in range(100):
            yield audio(0.1)
            time.sleep(0.02)  # still sending when the refusal comes

    with pytest.raises(grpc.RpcError) as caught:
        list(stub.StreamingDetect(requests(), timeout=60))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert told_details(caught.value)


@pytest.mark.parametrize("channel", ["nginx"], indirect=True)
def test_internal_services_are_not_exposed(channel: grpc.Channel) -> None:
    reflect: Any = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    )
    with pytest.raises(grpc.RpcError) as caught:
        list(reflect(iter([b""]), timeout=20))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == "this is not served here"
    check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"", timeout=20) == b"\x08\x01"


@pytest.mark.parametrize("name", NAMES)
def test_the_proxies_accept_the_files(name: str, tmp_path: Path) -> None:
    certificate = issue(tmp_path, "proxy")
    make, flag = (nginx, "-t") if name == "nginx" else (haproxy, "-c")
    done = subprocess.run(
        [*make(tmp_path, certificate, 1, 50051), flag], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr


def test_no_proxy_ends_a_call_before_the_daemon() -> None:
    options = ServeOptions()
    text = (DEPLOY / "nginx" / "dfd.conf").read_text()
    assert seconds(text, "client_body_timeout") > options.idle_timeout_seconds
    assert seconds(text, "grpc_send_timeout") > options.idle_timeout_seconds
    assert seconds(text, "grpc_read_timeout") > options.max_stream_seconds
    assert seconds(text, "send_timeout") > options.write_timeout_seconds
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    # of connections, on which the daemon sends a keepalive every 30 s and waits 10 s for the answer
    assert seconds(text, "timeout client") > 2 * 40.0
    assert seconds(text, "timeout server") > 2 * 40.0
