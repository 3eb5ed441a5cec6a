import asyncio
import socket
import urllib.request
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from dfd.daemon.options import ServeOptions
from dfd.daemon.runtime import DrainPlan
from dfd.daemon.server import Server
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    Harness,
    Serve,
    audio_request,
    chunks,
    config_request,
    noise,
    read_all,
    unpack,
)

Status = health_pb2.HealthCheckResponse
NAMES = ("", "dfd.v1.DetectionService")


async def health(h: Harness, name: str) -> int:
    stub = health_pb2_grpc.HealthStub(h.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


async def test_health_follows_the_life_of_the_server(serve: Serve) -> None:
    h = await serve(warm=False, grace_seconds=0.2)
    stub = health_pb2_grpc.HealthStub(h.channel)
    leaves = stub.Watch(health_pb2.HealthCheckRequest(service=""))
    stays = stub.Watch(health_pb2.HealthCheckRequest(service=NAMES[1]))
    assert (await leaves.read()).status == Status.NOT_SERVING
    assert (await stays.read()).status == Status.NOT_SERVING
    assert [await health(h, name) for name in NAMES] == [Status.NOT_SERVING] * 2
    leaves.cancel()  # the other one must still be notified
    await h.server.warm()
    assert [await health(h, name) for name in NAMES] == [Status.SERVING] * 2
    assert (await stays.read()).status == Status.SERVING
    assert h.figure("dfd_ready") == 1
    await h.server.drain()
    assert [await health(h, name) for name in NAMES] == [Status.NOT_SERVING] * 2
    assert (await stays.read()).status == Status.NOT_SERVING
    assert h.figure("dfd_ready") == 0
    stays.cancel()


async def test_health_of_an_unknown_service(serve: Serve) -> None:
    h = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health(h, "other")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    stub = health_pb2_grpc.HealthStub(h.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="other"))
    assert (await watch.read()).status == Status.SERVICE_UNKNOWN
    watch.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection(serve: Serve, version: str) -> None:
    h = await serve()
    ask = h.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=NAMES[1]),
    ]
    listed, described = [answer async for answer in ask(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert {"dfd.v1.DetectionService", "grpc.health.v1.Health"} <= names
    assert described.file_descriptor_response.file_descriptor_proto


async def test_server_info(serve: Serve) -> None:
    h = await serve(max_streams=7, max_recording_bytes=1234, idle_timeout_seconds=9.0)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.read()
    info = await h.stub.GetServerInfo(pb.GetServerInfoRequest())
    assert info.models[0].name == "fake"
    assert info.models[0].precision == "fp32"
    assert len(info.encodings) == 4
    assert (info.active_streams, info.max_streams) == (1, 7)
    assert info.limits.max_recording_bytes == 1234
    assert info.limits.idle_timeout.ToSeconds() == 9
    assert info.default_alert_policy.rolling_threshold == pytest.approx(0.8)
    assert info.version
    await call.done_writing()
    await read_all(call)


async def test_server_info_before_the_model_is_warm(serve: Serve) -> None:
    h = await serve(warm=False)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.GetServerInfo(pb.GetServerInfoRequest())
    assert unpack(caught.value).reason == "WARMING_UP"


async def test_draining_lets_a_client_finish(serve: Serve) -> None:
    h = await serve(grace_seconds=30.0)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.read()
    draining = asyncio.create_task(h.server.drain())
    assert (await call.read()).warning.reason == "SERVER_DRAINING"
    late = await h.converse([config_request()])
    assert late.failure is not None
    assert late.failure.code == grpc.StatusCode.UNAVAILABLE
    assert (late.failure.reason, late.failure.retry_seconds) == ("SERVER_DRAINING", 1.0)
    await call.write(audio_request(noise(3.0).tobytes()))
    await call.done_writing()
    got = await read_all(call)
    assert got.failure is None
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_CLIENT_DONE
    assert len(got.llrs()) >= 2
    assert await draining


async def test_draining_ends_running_streams(serve: Serve) -> None:
    h = await serve(grace_seconds=1.0)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    for request in chunks(noise(2.5)):
        await call.write(request)
    await h.until(lambda: h.figure("dfd_windows_total", status="scored") >= 1)
    assert await h.server.drain()
    got = await read_all(call)
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.UNAVAILABLE
    assert got.failure.reason == "SERVER_DRAINING"
    assert "SERVER_DRAINING" in [w.reason for w in got.of("warning")]
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_SERVER_DRAINING
    assert len(got.llrs()) >= 2


async def test_draining_refuses_streams_without_a_configuration(serve: Serve) -> None:
    h = await serve(grace_seconds=20.0)
    call = h.stub.StreamingDetect()
    reading = asyncio.create_task(read_all(call))
    await h.until(lambda: h.active == 1)
    assert await h.server.drain()
    got = await reading
    assert got.failure is not None
    assert got.failure.reason == "SERVER_DRAINING"


async def test_draining_does_not_wait_for_a_hanging_device(serve: Serve) -> None:
    h = await serve(grace_seconds=1.0)
    h.detector.gate.clear()
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.write(audio_request(noise(3.0).tobytes()))
    assert (await call.read()).HasField("started")
    assert await h.server.drain()
    got = await read_all(call)
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_SERVER_DRAINING
    assert got.summary.channels[0].windows_shed >= 1


async def test_draining_cuts_a_recording_short(serve: Serve) -> None:
    h = await serve(grace_seconds=0.5)
    h.detector.gate.clear()
    request = pb.DetectRequest(
        audio_format=config_request().config.audio_format, audio=noise(5.0).tobytes()
    )
    call = h.stub.Detect(request)
    await h.until(lambda: h.active == 1)
    assert await h.server.drain()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert unpack(caught.value).reason == "SERVER_DRAINING"


@pytest.mark.parametrize("grace", [0.0, 0.1, 1.0, 30.0, 600.0])
def test_the_plan_of_draining(grace: float) -> None:
    plan = DrainPlan(grace)
    assert 0.0 <= plan.end_seconds <= plan.hurry_seconds <= plan.grace_seconds


async def test_the_metrics_page(serve: Serve) -> None:
    h = await serve(metrics_port=0)
    await h.converse([config_request(), *chunks(noise(3.0))])
    page = h.server.page
    assert page is not None
    assert f"(metrics {page.url})" in h.server.ready_line

    def read() -> str:
        with urllib.request.urlopen(page.url, timeout=20) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(read)
    for name in (
        "dfd_streams_active 0.0",
        "dfd_stream_slots 256.0",
        'dfd_streams_total{end="client_done"} 1.0',
        'dfd_windows_total{status="scored"}',
        "dfd_queue_seconds_bucket",
        "dfd_compute_seconds_bucket",
        "dfd_batch_size_bucket",
        "dfd_result_seconds_bucket",
        "dfd_real_time_factor",
        "dfd_audio_seconds_total 3.0",
        "dfd_scheduler_restarts_total 0.0",
        "dfd_queue_length 0.0",
        'dfd_model_info{device="cpu"',
        "process_resident_memory_bytes",
    ):
        assert name in text, name


def taken_port() -> tuple[socket.socket, int]:
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    return holder, holder.getsockname()[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": "taken"}, r"cannot listen on 127.0.0.1:\d+: Address already in use; choose"),
        ({"metrics_port": "taken"}, r"cannot serve metrics on 127.0.0.1:\d+: Address already"),
        (
            {"host": "no.such.host.invalid", "allow_open": True},
            r"cannot listen on no.such.host.invalid:0: ",
        ),
        (
            {"host": "192.0.2.1", "allow_open": True},
            r"cannot listen on 192.0.2.1:0: Cannot assign requested address",
        ),
    ],
)
async def test_an_unavailable_port(options: dict[str, Any], message: str) -> None:
    holder, port = taken_port()
    with holder:
        values = {"port": 0, "metrics_port": -1} | {
            name: port if value == "taken" else value for name, value in options.items()
        }
        server = Server(ServeOptions(**values), lambda _: pytest.fail("never loaded"))
        with pytest.raises(UserError, match=message):
            await server.bind()
        await server.stop()


@pytest.mark.parametrize("host", ["::1", "localhost"])
async def test_other_addresses(serve: Serve, host: str) -> None:
    h = await serve(host=host)
    where = h.server.ready_line.split()[3]
    async with grpc.aio.insecure_channel(where) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == Status.SERVING


async def test_open_access_must_be_allowed_explicitly(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UserError, match=r"without TLS .* and without tokens .*--allow-open"):
        await serve(host="0.0.0.0")
    await serve(host="0.0.0.0", allow_open=True)
    assert "other machines can reach this port without TLS" in caplog.text


async def test_a_model_that_cannot_be_loaded(caplog: pytest.LogCaptureFixture) -> None:
    def load(_: ServeOptions) -> Any:
        raise UserError("no model in /nowhere; name a folder")

    with pytest.raises(UserError, match="no model in /nowhere"):
        async with Server(ServeOptions(port=0, metrics_port=-1), load):
            pass
