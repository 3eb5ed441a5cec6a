"""Traces as a collector receives them: the OTLP service of OpenTelemetry's own definition."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from dfd.daemon.options import ServeOptions
from dfd.errors import UserError
from tests.clients.command import DFD, clean
from tests.daemon.harness import Serve, chunks, config_request, noise

pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.grpc", reason="no traces: pip install 'dfd[otel]'"
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

PARENT, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(TraceServiceServicer):
    def __init__(self) -> None:
        self.service: dict[str, str] = {}
        self.spans: list[Any] = []
        self.port = 0

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        for group in request.resource_spans:
            self.service = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                self.spans.extend(scope.spans)
        return otlp.ExportTraceServiceResponse()

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    server, found = grpc.server(ThreadPoolExecutor(2)), Collector()
    add_TraceServiceServicer_to_server(found, server)  # type: ignore[no-untyped-call]
    found.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield found
    server.stop(None)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def test_a_stream_its_windows_and_their_batches(serve: Serve, collector: Collector) -> None:
    h = await serve(otlp_endpoint=f"http://127.0.0.1:{collector.port}")
    metadata = (("traceparent", f"00-{PARENT}-{CALLER}-01"),)
    loud = [config_request(stream_id="call-7"), *chunks(noise(6.0, level=0.3))]
    outcome = await h.converse(loud, metadata=metadata)
    await h.server.stop()

    (stream,) = collector.named("stream")
    assert (stream.trace_id.hex(), stream.parent_span_id.hex()) == (PARENT, CALLER)
    said = attributes(stream)
    assert (said["dfd.stream_id"], said["dfd.model"]) == ("call-7", "fake")
    assert (said["dfd.end"], said["dfd.audio_seconds"]) == ("client_done", 6.0)
    assert [event.name for event in stream.events].count("alert") == len(outcome.of("alert")) > 0

    windows = collector.named("window")
    assert len(windows) == len(outcome.windows)
    assert {window.parent_span_id for window in windows} == {stream.span_id}
    for window in windows:
        told = attributes(window)
        assert told["dfd.status"] == "scored"
        assert told["dfd.batch_size"] >= 1
        assert stream.start_time_unix_nano <= window.start_time_unix_nano
        assert window.end_time_unix_nano <= stream.end_time_unix_nano

    batches = [batch for batch in collector.named("batch") if batch.links]
    linked = [link.span_id for batch in batches for link in batch.links]
    assert sorted(linked) == sorted(window.span_id for window in windows)
    assert all(len(one.links) == attributes(one)["dfd.batch_size"] for one in batches)
    assert collector.service["service.name"] == "dfd"


async def test_a_refused_window_is_an_error(serve: Serve, collector: Collector) -> None:
    h = await serve(otlp_endpoint=f"http://127.0.0.1:{collector.port}")

    def broken(windows: Any) -> None:
        raise RuntimeError("broken")

    h.detector.before = broken
    await h.converse([config_request(), *chunks(noise(2.5))])
    await h.server.stop()
    windows = collector.named("window")
    assert windows
    assert {(one.status.code, one.status.message) for one in windows} == {(2, "failed")}


async def test_a_missing_collector_blocks_nothing(serve: Serve) -> None:
    h = await serve(otlp_endpoint="http://127.0.0.1:1")
    outcome = await h.converse([config_request(), *chunks(noise(2.5))])
    assert outcome.failure is None
    async with asyncio.timeout(10):
        await h.server.stop()


async def test_each_process_sends_its_traces(collector: Collector, tmp_path: Path) -> None:
    """Workers trace streams and windows, and the instance traces batches."""
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.options import StreamOptions, VadOptions

    process = await asyncio.create_subprocess_exec(
        *(*DFD, "serve", "--model=noop", "--port=0", "--no-metrics", "--workers=2"),
        f"--otlp-endpoint=http://127.0.0.1:{collector.port}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=clean(),
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    address = line.split()[3]
    options = StreamOptions(stream_id="call-8", vad=VadOptions(min_speech_seconds=0.0))
    async with (
        AsyncDetectionClient(address) as client,
        client.stream(sample_rate_hz=16000, options=options, live=False) as stream,
    ):
        await stream.send(bytes(2 * 16000 * 5))
        await stream.finish()
        assert [event async for event in stream]
    process.terminate()
    assert await process.wait() == 0
    assert [attributes(one)["dfd.stream_id"] for one in collector.named("stream")] == ["call-8"]
    assert collector.named("window")
    assert collector.named("batch")


def test_an_endpoint_is_a_url() -> None:
    with pytest.raises(UserError, match="name it as http://"):
        ServeOptions(otlp_endpoint="localhost:4317")


def test_without_the_option_nothing_is_imported() -> None:
    import subprocess

    code = "import sys, dfd.daemon.server; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([DFD[0], "-c", code], env=clean(), check=False).returncode == 0
