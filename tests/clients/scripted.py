"""A small scripted server that follows the contract, or breaks it on request."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from dfd.messages import duration
from dfd.v1 import detection_pb2 as pb
from dfd.v1 import detection_pb2_grpc
from tests.clients.scripted_scores import HOP, WINDOW, Judge, Script


@dataclass
class Connection:
    """The messages of one stream."""

    config: pb.StreamingDetectConfig
    chunks: list[pb.AudioChunk] = field(default_factory=list)
    done: bool = False

    @property
    def first_offset(self) -> int:
        return self.chunks[0].sample_offset if self.chunks else 0


def rich_status(code: grpc.StatusCode, reason: str, message: str, retry: float | None) -> bytes:
    details = [AnyMessage()]
    details[0].Pack(error_details_pb2.ErrorInfo(reason=reason, domain="dfd"))
    if retry is not None:
        details.append(AnyMessage())
        nanos = round(retry * 1e9)
        details[1].Pack(
            error_details_pb2.RetryInfo(
                retry_delay=Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
            )
        )
    status = status_pb2.Status(code=code.value[0], message=message, details=details)
    return bytes(status.SerializeToString())


def model() -> pb.ModelInfo:
    return pb.ModelInfo(
        name="scripted",
        version="1",
        weights_sha256="ab" * 32,
        window_duration=duration(WINDOW),
        hop_duration=duration(HOP),
        sample_rate_hertz=16000,
        device="cpu",
        precision="fp32",
        engine="none",
    )


class ScriptedService(detection_pb2_grpc.DetectionServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections: list[Connection] = []
        self.attempts = 0

    async def _abort(
        self,
        context: Any,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        retry: float | None = None,
    ) -> None:
        trailers = (("grpc-status-details-bin", rich_status(code, reason, message, retry)),)
        await context.abort(code, message, trailing_metadata=trailers)

    async def _admit(self, context: Any) -> None:
        script = self.script
        sent = dict(context.invocation_metadata()).get("authorization", "")
        if script.token and sent != f"Bearer {script.token}":
            code = grpc.StatusCode.UNAUTHENTICATED
            await self._abort(context, code, "BAD_TOKEN", "the token is not known: check it")
        self.attempts += 1
        if script.refusals_when_full > 0:
            script.refusals_when_full -= 1
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            await self._abort(
                context, code, "SERVER_FULL", "the server is full", script.retry_seconds
            )

    def limits(self) -> pb.Limits:
        return pb.Limits(
            max_chunk_bytes=self.script.max_chunk_bytes,
            max_recording_bytes=self.script.max_recording_bytes,
            max_channel_count=8,
        )

    async def StreamingDetect(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.StreamingDetectRequest], context: Any
    ) -> AsyncIterator[pb.StreamingDetectResponse]:
        await self._admit(context)
        script = self.script
        if script.mute:
            await asyncio.sleep(60)  # longer than any client waits
        config = (await anext(request_iterator)).config
        connection = Connection(config)
        self.connections.append(connection)
        effective = pb.StreamingDetectConfig()
        effective.CopyFrom(config)
        effective.checkpoints = False  # it issues no checkpoints
        effective.window_duration.CopyFrom(duration(WINDOW))
        effective.hop_duration.CopyFrom(duration(HOP))
        effective.alert_policy.rolling_threshold = 0.8
        yield pb.StreamingDetectResponse(
            started=pb.StreamStarted(
                stream_id=config.stream_id,
                model=model(),
                effective_config=effective,
                limits=self.limits(),
            )
        )
        state = Judge(config, script)
        async for request in request_iterator:
            if script.read_delay:
                await asyncio.sleep(script.read_delay)  # as a slow server
            assert request.WhichOneof("request") == "audio"
            assert len(request.audio.content) <= script.max_chunk_bytes
            connection.chunks.append(request.audio)
            for answer in state.feed(request.audio):
                yield answer
            if script.abort_after is not None and state.heard >= script.abort_after:
                script.abort_after = None
                await self._abort(context, script.abort_code, "SCRIPTED", "as the script says")
            if script.drain_after is not None and state.heard >= script.drain_after:
                script.drain_after = None
                yield state.summary(pb.StreamSummary.END_REASON_SERVER_DRAINING)
                code = grpc.StatusCode.UNAVAILABLE
                await self._abort(context, code, "SERVER_DRAINING", "shutting down", 0.05)
        connection.done = True
        yield state.summary(pb.StreamSummary.END_REASON_CLIENT_DONE)

    async def Detect(self, request: pb.DetectRequest, context: Any) -> pb.DetectResponse:  # noqa: N802
        await self._admit(context)
        config = pb.StreamingDetectConfig(audio_format=request.audio_format, window_results=True)
        state = Judge(config, self.script)
        answers = list(state.feed(pb.AudioChunk(content=request.audio)))
        return pb.DetectResponse(
            summary=state.summary(pb.StreamSummary.END_REASON_CLIENT_DONE).summary,
            windows=[answer.window for answer in answers if answer.HasField("window")],
            model=model(),
        )

    async def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: Any
    ) -> pb.GetServerInfoResponse:
        await self._admit(context)
        return pb.GetServerInfoResponse(
            version="0.1",
            models=[model()],
            encodings=[pb.AudioFormat.ENCODING_LINEAR16, pb.AudioFormat.ENCODING_MULAW],
            limits=self.limits(),
            active_streams=1,
            max_streams=8,
            default_alert_policy=pb.AlertPolicy(rolling_threshold=0.8, consecutive_windows=2),
        )

    async def WatchStreams(  # noqa: N802
        self, request: pb.WatchStreamsRequest, context: Any
    ) -> AsyncIterator[pb.WatchStreamsResponse]:
        await self._admit(context)
        yield pb.WatchStreamsResponse(snapshot=True)

    async def ManageModel(  # noqa: N802
        self, request: pb.ManageModelRequest, context: Any
    ) -> pb.ManageModelResponse:
        await self._admit(context)
        return pb.ManageModelResponse(active=model())


class ScriptedServer:
    """The service on a loopback port, which stays the same after `kill`."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.service = ScriptedService(self.script)
        self.port = 0
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> list[Connection]:
        return self.service.connections

    async def start(self) -> None:
        self._server = grpc.aio.server()
        detection_pb2_grpc.add_DetectionServiceServicer_to_server(self.service, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def kill(self) -> None:
        """Stops at once; running calls break as if the process had died."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def __aenter__(self) -> "ScriptedServer":
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.kill()
