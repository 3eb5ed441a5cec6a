"""The typed asynchronous client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc.aio

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.options import (
    AlertPolicy,
    Connection,
    ModelAction,
    RetryPolicy,
    StreamOptions,
    VadOptions,
)
from dfd.clients.protocol import watching, wire
from dfd.clients.server_info import ModelStanding, ServerInfo
from dfd.clients.sources.recording import Recording
from dfd.clients.stream import DetectionStream
from dfd.clients.transport.connection import metadata, open_channel
from dfd.clients.transport.status import from_error
from dfd.clients.watching import StreamsUpdate
from dfd.errors import UserError
from dfd.messages import from_message, to_message
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub

_DEFAULT_OPTIONS = StreamOptions()
_DEFAULT_RETRY = RetryPolicy()


class AsyncDetectionClient:
    """Talks to one server, with any number of streams at once.

        async with AsyncDetectionClient("localhost:50051") as client:
            async with client.stream(sample_rate_hz=8000, encoding="mulaw") as stream:
                await stream.send(audio)
                await stream.finish()
                async for event in stream:
                    print(event)

    Args:
        server: "host:port", or a complete `Connection` (then without the other arguments).
        token: bearer token.
        tls_ca: PEM file of the certificate authority to trust.
        insecure: never use TLS; without this, only loopback addresses are used without TLS.
        retry: how to retry when the server is lost or full.

    Raises:
        UserError: if the address, the token or a PEM file is invalid.
    """

    def __init__(
        self,
        server: str | Connection = "localhost:50051",
        *,
        token: str | None = None,
        tls_ca: Path | None = None,
        insecure: bool = False,
        retry: RetryPolicy = _DEFAULT_RETRY,
    ) -> None:
        if isinstance(server, str):
            server = Connection(server=server, token=token, tls_ca=tls_ca, insecure=insecure)
        self.connection = server
        self._retry = retry
        self._metadata = metadata(server)
        self._channel = open_channel(server)
        self._stub = DetectionServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the channel and everything still running on it."""
        await self._channel.close()

    def stream(
        self,
        audio_format: AudioFormat | None = None,
        *,
        sample_rate_hz: int = 16000,
        encoding: Encoding | str = Encoding.LINEAR16,
        channel_count: int = 1,
        options: StreamOptions = _DEFAULT_OPTIONS,
        live: bool = True,
        buffer_seconds: float = 10.0,
    ) -> DetectionStream:
        """Creates a stream; enter it to connect.

        Args:
            audio_format: the format; alternatively give the three arguments that follow.
            sample_rate_hz: 8000 to 48000.
            encoding: "linear16", "mulaw", "alaw" or "float32".
            channel_count: 1 to 8, interleaved.
            options: what the stream is and how it is judged.
            live: True: `send` never waits; what the buffer cannot hold is lost and marked as a
                gap. False: `send` waits and nothing is lost.
            buffer_seconds: audio to hold while the server is slow or lost, and the same amount
                again of audio that was sent but not yet scored.

        Raises:
            UserError: if the format is impossible.
        """
        if audio_format is None:
            audio_format = AudioFormat(_encoding(encoding), sample_rate_hz, channel_count)
        return DetectionStream(
            self._stub,
            self._metadata,
            audio_format,
            options,
            self._retry,
            live=live,
            buffer_seconds=buffer_seconds,
        )

    async def stream_events(
        self,
        chunks: AsyncIterable[bytes] | Iterable[bytes],
        audio_format: AudioFormat,
        *,
        options: StreamOptions = _DEFAULT_OPTIONS,
        live: bool = False,
        buffer_seconds: float = 10.0,
    ) -> AsyncIterator[ev.Event]:
        """Sends every chunk and yields the events.

        Raises:
            DetectionError: if the stream ended with an error.
        """
        stream = self.stream(
            audio_format, options=options, live=live, buffer_seconds=buffer_seconds
        )
        async with stream:
            sender = asyncio.create_task(stream.send_all(chunks))
            try:
                async for event in stream:
                    yield event
            finally:
                if not stream.over:
                    sender.cancel()
                done = (await asyncio.gather(sender, return_exceptions=True))[0]
            if isinstance(done, Exception):
                raise done

    async def detect(
        self,
        recording: Recording,
        *,
        model: str = "",
        vad: VadOptions | None = None,
        alert_policy: AlertPolicy | None = None,
    ) -> ev.Detection:
        """Scores one short recording in one call.

        Raises:
            DetectionError: if the server refused.
            UserError: if the recording is larger than the server takes in one call.
        """
        most = (await self.server_info()).limits.max_recording_bytes
        audio = bytearray()
        with contextlib.closing(recording.chunks(1.0)) as chunks:
            for chunk in chunks:
                audio += chunk
                if most and len(audio) > most:
                    raise UserError(
                        f"{recording.name} exceeds the {most} bytes of audio that the server"
                        " accepts in one call: stream it instead"
                    )
        request = to_message(
            pb.DetectRequest,
            audio_format=recording.audio_format,
            audio=bytes(audio),
            model=model,
            vad=vad,
            alert_policy=alert_policy,
        )
        try:
            return wire.detection(await self._stub.Detect(request, metadata=self._metadata))
        except grpc.aio.AioRpcError as error:
            raise from_error(error) from None

    async def manage_model(
        self,
        action: ModelAction | str = ModelAction.UNSPECIFIED,
        *,
        model: str = "",
        source: str = "",
        timeout_seconds: float = 600.0,
    ) -> ModelStanding:
        """Replaces a model of the server while streams run, or tells where it stands.

        Args:
            action: "load" puts `source` beside the served model, "activate" continues with it,
                "rollback" goes back.
            model: name of the served model; the server's default if empty.
            source: what to load, in the form that `dfd serve --model` takes on the server.
            timeout_seconds: how long loading may take.

        Raises:
            DetectionError: if the server refused; nothing has changed then.
        """
        request = to_message(
            pb.ManageModelRequest, action=ModelAction(action), model=model, source=source
        )
        try:
            answer = await self._stub.ManageModel(
                request, metadata=self._metadata, timeout=timeout_seconds
            )
        except grpc.aio.AioRpcError as error:
            raise from_error(error) from None
        return from_message(ModelStanding, answer)

    async def server_info(self, timeout_seconds: float = 10.0) -> ServerInfo:
        """Returns what the server offers.

        Raises:
            DetectionError: if it cannot be reached, or refused.
        """
        request = pb.GetServerInfoRequest()
        try:
            answer = await self._stub.GetServerInfo(
                request, metadata=self._metadata, timeout=timeout_seconds
            )
        except grpc.aio.AioRpcError as error:
            raise from_error(error) from None
        return wire.server_info(answer)

    async def watch(self, interval_seconds: float = 0.5) -> AsyncGenerator[StreamsUpdate, None]:
        """Watches all streams of the server: yields a snapshot, then changes, without end.

        Args:
            interval_seconds: shortest time between two updates, 0.1 to 60.

        Raises:
            DetectionError: if the server cannot be reached, ended, or refused; a token needs
                the right `watch`.
        """
        request = to_message(pb.WatchStreamsRequest, min_interval=interval_seconds)
        call = self._stub.WatchStreams(request, metadata=self._metadata)
        try:
            async for answer in call:
                yield watching.update(answer)
        except grpc.aio.AioRpcError as error:
            raise from_error(error) from None
        finally:
            call.cancel()


def _encoding(word: Encoding | str) -> Encoding:
    try:
        return Encoding(word)
    except ValueError:
        known = ", ".join(Encoding)
        raise UserError(f"{word!r} is not an encoding: use one of {known}") from None
