"""The typed blocking client: the asynchronous one on a background thread.

All blocking clients of a process share one event loop in one daemon thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Self, TypeVar

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import AlertPolicy, Connection, RetryPolicy, StreamOptions, VadOptions
from dfd.clients.server_info import ServerInfo
from dfd.clients.sources.recording import Recording
from dfd.clients.stream import DetectionStream

_T = TypeVar("_T")
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _shared_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="dfd-client", daemon=True).start()
        return _loop


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs work in the shared loop and waits for it; interrupting the wait cancels the work."""
    future = asyncio.run_coroutine_threadsafe(work, _shared_loop())
    try:
        # the work has its own limits, and KeyboardInterrupt ends the wait
        return future.result()
    except BaseException:
        if not future.done():
            future.cancel()
        raise


class DetectionClient:
    """Talks to one server from synchronous code; threads may share it.

        with DetectionClient("localhost:50051") as client:
            with client.stream(sample_rate_hz=8000, encoding="mulaw") as stream:
                stream.send_all(chunks)
                for event in stream:
                    print(event)

    Its arguments and exceptions are those of `AsyncDetectionClient`.
    """

    def __init__(
        self,
        server: str | Connection = "localhost:50051",
        *,
        token: str | None = None,
        tls_ca: Path | None = None,
        insecure: bool = False,
        retry: RetryPolicy | None = None,
    ) -> None:
        async def make() -> AsyncDetectionClient:
            return AsyncDetectionClient(
                server, token=token, tls_ca=tls_ca, insecure=insecure, retry=retry or RetryPolicy()
            )

        self._client = _run(make())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel and everything still running on it."""
        _run(self._client.aclose())

    def stream(
        self,
        audio_format: AudioFormat | None = None,
        *,
        sample_rate_hz: int = 16000,
        encoding: Encoding | str = Encoding.LINEAR16,
        channel_count: int = 1,
        options: StreamOptions | None = None,
        live: bool = True,
        buffer_seconds: float = 10.0,
    ) -> BlockingStream:
        """Creates a stream; enter it to connect. See `AsyncDetectionClient.stream`."""

        async def make() -> DetectionStream:
            return self._client.stream(
                audio_format,
                sample_rate_hz=sample_rate_hz,
                encoding=encoding,
                channel_count=channel_count,
                options=options or StreamOptions(),
                live=live,
                buffer_seconds=buffer_seconds,
            )

        return BlockingStream(_run(make()))

    def detect(
        self,
        recording: Recording,
        *,
        model: str = "",
        vad: VadOptions | None = None,
        alert_policy: AlertPolicy | None = None,
    ) -> ev.Detection:
        """Scores one short recording in one call. See `AsyncDetectionClient.detect`."""
        return _run(self._client.detect(recording, model=model, vad=vad, alert_policy=alert_policy))

    def server_info(self, timeout_seconds: float = 10.0) -> ServerInfo:
        """Returns what the server offers. See `AsyncDetectionClient.server_info`."""
        return _run(self._client.server_info(timeout_seconds))


class BlockingStream:
    """Audio in, events out, like `DetectionStream`; one thread may send while another iterates."""

    def __init__(self, stream: DetectionStream) -> None:
        self._stream = stream
        self.stream_id = stream.stream_id
        self.audio_format = stream.audio_format

    @property
    def started(self) -> ev.Started:
        """The server's first response."""
        return self._stream.started

    @property
    def lost_seconds(self) -> float:
        """Audio dropped so far, without being scored, because the buffer was full."""
        return self._stream.lost_seconds

    def __enter__(self) -> Self:
        _run(self._stream.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        _run(self._stream.aclose())

    def send(self, content: bytes, sample_offset: int | None = None) -> bool:
        """Sends whole interleaved frames; returns False once the stream is over."""
        return _run(self._stream.send(content, sample_offset))

    def finish(self) -> None:
        """Marks the end of the audio; the last results and the summary follow."""
        _run(self._stream.finish())

    def send_all(self, chunks: Iterable[bytes]) -> None:
        """Sends every chunk, then finishes; stops early when the stream is over."""
        for chunk in chunks:
            if not self.send(chunk):
                break
        self.finish()

    def __iter__(self) -> Iterator[ev.Event]:
        """Yields events until the stream is over.

        Raises:
            DetectionError: if the stream ended with an error.
        """
        events = self._stream.__aiter__()

        async def following() -> ev.Event | None:
            return await anext(events, None)

        try:
            while (event := _run(following())) is not None:
                yield event
        except CancelledError:
            return
