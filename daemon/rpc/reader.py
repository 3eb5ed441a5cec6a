"""The receiving side of a stream: requests are checked, joined and fed to the core."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from dfd.daemon.errors import StatusError, invalid
from dfd.daemon.rpc.coalesce import Coalescer, slices
from dfd.daemon.rpc.ends import ClientGoneError, End
from dfd.daemon.rpc.outbox import Outbox
from dfd.daemon.rpc.pipeline import Pipeline
from dfd.daemon.wire import requests
from dfd.v1 import detection_pb2 as pb

# Chunks are always joined up to the first length, and up to the second while no window can be
# due before that; larger ones are fed in pieces of the second length.
_PROMPT_SECONDS = 0.04
_QUIET_SECONDS = 0.5


async def read_message(context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes | None:
    """Reads the next message as bytes; None when the client has half-closed.

    Raises:
        ClientGoneError: if the client left.
    """
    try:
        raw: object = await context.read()
    except grpc.aio.BaseError as error:
        raise ClientGoneError from error
    return raw if isinstance(raw, bytes) else None  # EOF


async def read_request(
    context: grpc.aio.ServicerContext[bytes, bytes],
) -> pb.StreamingDetectRequest | None:
    """Reads the next request; None when the client has half-closed.

    Raises:
        StatusError: with MALFORMED_MESSAGE.
        ClientGoneError: if the client left.
    """
    raw = await read_message(context)
    return None if raw is None else requests.parse(pb.StreamingDetectRequest, raw)


async def read_config(
    context: grpc.aio.ServicerContext[bytes, bytes],
    ended: asyncio.Future[End],
    limit_seconds: float,
) -> pb.StreamingDetectConfig:
    """Reads the first request of a stream.

    Args:
        context: context of the call.
        ended: done if the stream must not wait for it any longer.
        limit_seconds: how long it may take.

    Raises:
        StatusError: with CONFIG_TIMEOUT, CONFIG_MISSING, MALFORMED_MESSAGE or its own end.
        ClientGoneError: if the client left.
    """
    read = asyncio.ensure_future(read_request(context))
    try:
        either: set[asyncio.Future[Any]] = {read, ended}
        await asyncio.wait(either, timeout=limit_seconds, return_when=asyncio.FIRST_COMPLETED)
        if read.done():
            request = read.result()
        elif ended.done() and (error := ended.result().error) is not None:
            raise error
        else:
            raise StatusError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "CONFIG_TIMEOUT",
                f"no configuration arrived within {limit_seconds:g} s; send it as the first"
                " request",
            )
    finally:
        read.cancel()
    if request is None or request.WhichOneof("request") != "config":
        raise invalid("CONFIG_MISSING", "the first request must contain the config; send it first")
    return request.config


class Reader:
    """Reads until the client half-closes.

    Args:
        outbox: filled by the pipeline; while it is full nothing is read.
        prompt: whether the client wants speech activity at once, not only windows.
        on_error: called with errors that occur while nothing is being read.
        pace: counts the bytes of a message, and gives the seconds before the next is read.
    """

    def __init__(
        self,
        context: grpc.aio.ServicerContext[bytes, bytes],
        pipeline: Pipeline,
        outbox: Outbox,
        max_chunk_bytes: int,
        prompt: bool,
        on_error: Callable[[Exception], None],
        pace: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        audio = pipeline.session.options.audio_format
        self._context = context
        self._pipeline = pipeline
        self._outbox = outbox
        self._max_chunk_bytes = max_chunk_bytes
        self._on_error = on_error
        self._pace = pace
        self._frame = audio.bytes_per_frame
        self._slice_bytes = self._frame * round(audio.sample_rate_hz * _QUIET_SECONDS)
        self._prompt_bytes = self._frame * round(audio.sample_rate_hz * _PROMPT_SECONDS)
        self._prompt = prompt
        self._hold_seconds = _PROMPT_SECONDS if prompt else _QUIET_SECONDS
        self._coalescer = Coalescer(self._frame, self._prompt_bytes)
        self._loop = asyncio.get_running_loop()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None

    @property
    def waiting_since(self) -> float | None:
        """When waiting for the client began, on the loop's clock; None if not waiting."""
        return self._waiting_since

    async def run(self) -> None:
        """Reads and feeds.

        Raises:
            StatusError, StreamError: if the client broke the contract.
            ClientGoneError: if the client left.
        """
        try:
            while True:
                self._waiting_since = self._loop.time()
                request = await read_request(self._context)
                self._waiting_since = None
                if request is None:
                    break
                await self._take(self._audio(request))
                if not self._coalescer.holding:
                    self._disarm()
                elif self._flush_timer is None:
                    self._flush_timer = self._loop.call_later(self._hold_seconds, self._flush_late)
                if (wait := self._pace(len(request.audio.content))) > 0.0:
                    await asyncio.sleep(wait)
        finally:
            self._disarm()
        self.flush()

    def flush(self) -> None:
        """Feeds what is being held.

        Raises:
            StreamError: if the core refuses it.
        """
        for content, place in self._coalescer.flush():
            self._pipeline.feed(content, place)
        self._hold_while_quiet()

    def _audio(self, request: pb.StreamingDetectRequest) -> pb.AudioChunk:
        kind = request.WhichOneof("request")
        if kind == "config":
            raise invalid("CONFIG_REPEATED", "a stream has one config; open another stream")
        if kind is None:
            raise invalid(
                "EMPTY_REQUEST", "a request contains neither config nor audio; send audio"
            )
        chunk = request.audio
        size = len(chunk.content)
        if size > self._max_chunk_bytes:
            raise invalid(
                "CHUNK_TOO_LARGE",
                f"a chunk has {size} bytes; send at most {self._max_chunk_bytes}",
            )
        return chunk

    async def _take(self, chunk: pb.AudioChunk) -> None:
        offset = chunk.sample_offset if chunk.HasField("sample_offset") else None
        self._pipeline.begin(offset)
        due = self._coalescer.push(chunk.content, offset)
        for content, place in due:
            for at, piece in enumerate(slices(content, self._slice_bytes, self._frame)):
                if at:
                    await asyncio.sleep(0)  # let other streams run
                await self._until_room()
                self._pipeline.feed(piece, None if at else place)
        if due:
            self._hold_while_quiet()

    def _hold_while_quiet(self) -> None:
        """Allows as much audio to be joined as can arrive before a window may be due."""
        if not self._prompt:
            quiet = self._frame * self._pipeline.session.quiet_frames
            self._coalescer.target_bytes = max(self._prompt_bytes, min(quiet, self._slice_bytes))

    async def _until_room(self) -> None:
        """Slows the sender down while the scheduler, or the client's own reading, is behind."""
        pipeline, outbox = self._pipeline, self._outbox
        if pipeline.has_room and not outbox.full:
            return
        since = self._loop.time()
        while not pipeline.has_room or outbox.full:
            await pipeline.until_room()
            await outbox.until_room()
        pipeline.stalled(self._loop.time() - since)

    def _flush_late(self) -> None:
        """Feeds what was held if no more audio arrived."""
        self._flush_timer = None
        try:
            self.flush()
        except Exception as error:
            self._on_error(error)

    def _disarm(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
