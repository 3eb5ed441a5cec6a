"""`dfd bench core`: the streaming core alone, without daemon or classifier."""

import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.benchmarks.report import machine
from dfd.benchmarks.report.spread import Spread, measure_in_turns
from dfd.benchmarks.speech import speech
from dfd.streaming.options import AudioFormat, ModelTraits, SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, Window, WindowStatus

# The bundled model's window and hop, which most models share.
_TRAITS = ModelTraits(
    sample_rate_hz=16_000,
    window_samples=64_000,
    hop_samples=32_000,
    min_speech_seconds=1.0,
    evidence_correlation=0.5,
    trained_bandwidth_hz=3_400.0,
)
FORMATS = {
    "pcm16 16 kHz": AudioFormat(Encoding.LINEAR16, 16_000, 1),
    "mu-law 8 kHz": AudioFormat(Encoding.MULAW, 8_000, 1),
    "pcm16 48 kHz": AudioFormat(Encoding.LINEAR16, 48_000, 1),
}
_MEMORY_SESSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """What is measured: how many seconds of audio, in chunks of how many milliseconds."""

    seconds: float = 30.0
    chunk_ms: float = 100.0
    rounds: int = 5


def run(options: CoreOptions) -> dict[str, Any]:
    """Measures the CPU time of a stream in each format, in turns, and its memory."""
    calls = {name: _stream(audio_format, options) for name, audio_format in FORMATS.items()}
    times = measure_in_turns(calls, options.rounds, 0.0, clock=time.process_time)
    results = []
    for name, seconds in times.items():
        load = Spread.of([one / options.seconds for one in seconds])
        results.append(
            {
                "format": name,
                "cpu_ms_per_stream_second": round(load.median * 1000.0, 4),
                "cpu_ms_low": round(load.low * 1000.0, 4),
                "cpu_ms_high": round(load.high * 1000.0, 4),
                "streams_per_core": round(1.0 / load.median),
            }
        )
    return {
        "benchmark": "core",
        "machine": machine.describe(),
        "audio_seconds": options.seconds,
        "chunk_ms": options.chunk_ms,
        "rounds": options.rounds,
        "memory_kib_per_stream": _memory(options),
        "results": results,
    }


def _session(audio_format: AudioFormat) -> StreamSession:
    return StreamSession(SessionOptions(audio_format=audio_format, model=_TRAITS))


def _chunks(audio_format: AudioFormat, options: CoreOptions) -> list[bytes]:
    rate = audio_format.sample_rate_hz
    samples = np.resize(speech(rate, 4.0), int(options.seconds * rate))
    if audio_format.encoding is Encoding.MULAW:
        content = _mulaw(samples)
        width = 1
    else:
        content = np.round(samples * 32767.0).astype("<i2").tobytes()
        width = 2
    step = int(rate * options.chunk_ms / 1000.0) * width
    return [content[start : start + step] for start in range(0, len(content), step)]


def _mulaw(samples: NDArray[np.float32]) -> bytes:
    """Encodes by roughly G.711's law: the core's cost does not depend on the values."""
    level = np.log1p(255.0 * np.abs(samples)) / np.log(256.0)
    sign = np.where(samples < 0, 128, 0).astype(np.uint8)
    codes: NDArray[np.uint8] = ~(np.round(127.0 * level).astype(np.uint8) | sign)
    return codes.tobytes()


def _stream(audio_format: AudioFormat, options: CoreOptions) -> Callable[[], None]:
    chunks = _chunks(audio_format, options)

    def call() -> None:
        session = _session(audio_format)
        for chunk in chunks:
            _resolve(session, session.feed(chunk))
        _resolve(session, session.finish())

    return call


def _resolve(session: StreamSession, events: list[Any]) -> None:
    for event in events:
        if isinstance(event, Window):
            status = WindowStatus.SCORED if event.scoreable else WindowStatus.INSUFFICIENT_SPEECH
            session.resolve(event, status, 0.1 if event.scoreable else None)


def _memory(options: CoreOptions) -> float:
    """Returns the KiB that Python and NumPy hold for one stream in mid-call."""
    audio_format = FORMATS["pcm16 16 kHz"]
    chunks = _chunks(audio_format, options)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sessions = []
    for _ in range(_MEMORY_SESSIONS):
        session = _session(audio_format)
        for chunk in chunks[: int(6000 / options.chunk_ms)]:
            _resolve(session, session.feed(chunk))
        sessions.append(session)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return round(held / len(sessions) / 1024.0, 1)
