"""A server in the test's own event loop, with a classifier that the test controls."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2, status_pb2
from numpy.typing import NDArray

from dfd.daemon.server import Server
from dfd.detector.spec import Calibration, ModelSpec
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.waiting import until

RATE = 16_000
# a window that contains this sample makes its whole batch fail
POISON = 0.8125


@dataclass
class FakeDetector:
    """Scores a window by its content, at once or as the test controls it."""

    spec: ModelSpec
    batches: list[list[int]] = field(default_factory=list)
    before: Callable[[NDArray[np.float32]], None] | None = None
    poison: float | None = POISON
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def score(self, windows: NDArray[np.float32], lengths: NDArray[np.int64]) -> Any:
        assert windows.dtype == np.float32
        assert windows.shape == (len(lengths), self.spec.window_samples)
        assert lengths.dtype == np.int64
        self.gate.wait(30)
        self.batches.append(lengths.tolist())
        if self.before is not None:
            self.before(windows)
        if self.poison is not None and np.any(windows == self.poison):
            raise RuntimeError("poisoned")
        scores = [
            20.0 * np.abs(row[:length]).mean() - 2.0
            for row, length in zip(windows, lengths, strict=True)
        ]
        return np.array(scores, np.float32)


def make_spec(**changes: Any) -> ModelSpec:
    values: dict[str, Any] = {
        "name": "fake",
        "version": "1",
        "weights_sha256": "ab" * 32,
        "sample_rate_hz": RATE,
        "window_samples": 2 * RATE,
        "hop_samples": RATE,
        "device": "cpu",
        "precision": "fp32",
        "engine": "none",
        "batch_buckets": (1, 2, 4, 8),
        "padding": "mask",
        "calibration": Calibration(),
        "evidence_correlation": 0.5,
        "rolling_threshold": 0.8,
        "cumulative_threshold": 0.9,
        "min_speech_seconds": 0.5,
        "trained_bandwidth_hz": 3400.0,
    }
    return ModelSpec(**(values | changes))


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> NDArray[np.int16]:
    samples = np.random.default_rng(seed).normal(0.0, level, round(seconds * RATE))
    return (np.clip(samples, -0.99, 0.99) * 32767).astype(np.int16)


def stream_config(**changes: Any) -> pb.StreamingDetectConfig:
    """Makes a configuration that scores windows without speech too."""
    config = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=pb.AudioFormat.ENCODING_LINEAR16, sample_rate_hertz=RATE, channel_count=1
        ),
        window_results=True,
    )
    config.vad.min_speech_duration.SetInParent()
    config.MergeFrom(pb.StreamingDetectConfig(**changes))
    return config


def config_request(**changes: Any) -> pb.StreamingDetectRequest:
    return pb.StreamingDetectRequest(config=stream_config(**changes))


def audio_request(content: bytes, offset: int | None = None) -> pb.StreamingDetectRequest:
    return pb.StreamingDetectRequest(audio=pb.AudioChunk(content=content, sample_offset=offset))


def chunks(samples: NDArray[np.int16], size: int = 1600) -> list[pb.StreamingDetectRequest]:
    return [audio_request(samples[at : at + size].tobytes()) for at in range(0, len(samples), size)]


@dataclass(frozen=True)
class Failure:
    """The status of a call with its details unpacked."""

    code: grpc.StatusCode
    reason: str
    message: str
    retry_seconds: float | None


def unpack(error: Any) -> Failure:
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    retry_seconds = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_seconds = retry.retry_delay.ToMilliseconds() / 1000
        else:
            assert detail.Unpack(info)
    assert info.domain == "dfd"
    return Failure(error.code(), info.reason, status.message, retry_seconds)


@dataclass
class Outcome:
    """All responses of a stream by kind, and how it ended."""

    responses: list[pb.StreamingDetectResponse]
    failure: Failure | None = None

    def of(self, kind: str) -> list[Any]:
        return [getattr(r, kind) for r in self.responses if r.WhichOneof("response") == kind]

    @property
    def windows(self) -> list[pb.WindowResult]:
        return self.of("window")

    @property
    def summary(self) -> pb.StreamSummary:
        """Returns the summary, of which there is exactly one, at the end."""
        assert [r.WhichOneof("response") for r in self.responses].count("summary") == 1
        return self.responses[-1].summary

    def llrs(self, channel: int = 0) -> list[float]:
        return [w.window_score.spoof_llr for w in self.windows if w.channel == channel]


async def read_all(call: Any) -> Outcome:
    outcome = Outcome([])
    try:
        while (response := await call.read()) is not grpc.aio.EOF:
            outcome.responses.append(response)
    except grpc.aio.AioRpcError as error:
        outcome.failure = unpack(error)
    return outcome


class Served(Protocol):
    """A server, in this loop or in processes of its own."""

    @property
    def port(self) -> int: ...

    def figure(self, name: str, **labels: str) -> float: ...


@dataclass
class Client:
    """A client of a server."""

    served: Served
    channel: grpc.aio.Channel
    stub: Any

    @property
    def active(self) -> int:
        return int(self.figure("dfd_streams_active"))

    async def converse(self, requests: Iterable[pb.StreamingDetectRequest], **how: Any) -> Outcome:
        """Sends everything and reads all responses.

        By gRPC's threaded client: the asyncio one may put a status of its own in the place
        of one that comes while it writes (grpc issue 36066).
        """
        return await asyncio.to_thread(self._converse, list(requests), how)

    def _converse(self, requests: list[pb.StreamingDetectRequest], how: dict[str, Any]) -> Outcome:
        outcome = Outcome([])
        with grpc.insecure_channel(f"127.0.0.1:{self.served.port}") as channel:
            try:
                call = DetectionServiceStub(channel).StreamingDetect(
                    iter(requests), timeout=60, **how
                )
                for response in call:
                    outcome.responses.append(response)
            except grpc.RpcError as error:
                outcome.failure = unpack(error)
        return outcome

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition)

    def figure(self, name: str, **labels: str) -> float:
        return self.served.figure(name, **labels)


@dataclass
class InLoop:
    """A server in this event loop."""

    server: Server

    @property
    def port(self) -> int:
        return self.server.port

    def figure(self, name: str, **labels: str) -> float:
        return self.server.metrics.value(name, **labels)


@dataclass
class Harness(Client):
    """A server in this event loop, and a client of it."""

    server: Server
    detector: FakeDetector


Serve = Callable[..., Awaitable[Harness]]
# one process in this loop, or a supervisor and four workers: clients see no difference
Connect = Callable[[], Awaitable[Client]]
