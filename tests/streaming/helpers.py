"""Helpers for tests of the streaming core."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.streaming.options import AudioFormat, SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, FeedEvent, Samples, Window, WindowStatus

RATE = 16_000


class LoudnessVad:
    """Takes loud audio for speech, so that a test knows where speech is."""

    frame_samples = 320

    def __init__(self) -> None:
        self.resets = 0

    def speech(self, samples: Samples) -> NDArray[np.bool_]:
        frames = samples.reshape(-1, self.frame_samples)
        flags: NDArray[np.bool_] = np.abs(frames).max(axis=1) > 0.1
        return flags

    def reset(self) -> None:
        self.resets += 1


@functools.cache
def tone(seconds: float, rate: int = RATE, amplitude: float = 0.5) -> Samples:
    """Makes loud sound as wide as a telephone's band; cached, so read-only."""
    time = np.arange(round(seconds * rate)) / rate
    both = np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 3_300 * time)
    return _kept(amplitude / 1.1 * both)


def silence(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate), np.float32)


@functools.cache
def speech_like(seconds: float, rate: int = RATE, seed: int = 0) -> Samples:
    """Makes a buzz with formants and syllables that WebRTC's VAD takes for speech; read-only."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    time = np.arange(count) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time) + 0.6, 0, 1)
    noise = 0.003 * rng.standard_normal(count)
    return _kept(0.15 * buzz * syllables + noise)


def _kept(samples: NDArray[np.float64]) -> Samples:
    kept = samples.astype(np.float32)
    kept.flags.writeable = False
    return kept


def linear16(samples: Samples) -> bytes:
    return np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes()


def mono(rate: int = RATE, **options: Any) -> SessionOptions:
    return SessionOptions(AudioFormat(Encoding.LINEAR16, rate), **options)


def loudness_session(options: SessionOptions | None = None) -> StreamSession:
    return StreamSession(options or mono(), LoudnessVad)


def chunked(content: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Splits content into chunks of the given sizes in bytes, repeatedly."""
    at = 0
    while at < len(content):
        for size in sizes:
            yield content[at : at + size]
            at += size


def run(session: StreamSession, chunks: Iterator[bytes] | Sequence[bytes]) -> list[FeedEvent]:
    events = [event for chunk in chunks for event in session.feed(chunk)]
    return events + session.finish()


def windows_of(events: Sequence[FeedEvent]) -> list[Window]:
    return [event for event in events if isinstance(event, Window)]


def window(
    start_seconds: float = 0.0,
    end_seconds: float = 4.0,
    *,
    speech_seconds: float | None = None,
    sequence: int = 0,
    provisional: bool = False,
    final: bool = False,
    samples: Samples | None = None,
    channel: int = 0,
) -> Window:
    length = end_seconds - start_seconds
    return Window(
        channel=channel,
        sequence=sequence,
        start_sample=round(start_seconds * RATE),
        end_sample=round(end_seconds * RATE),
        sample_rate_hz=RATE,
        samples=tone(length) if samples is None else samples,
        speech_seconds=length if speech_seconds is None else speech_seconds,
        gap_seconds=0.0,
        provisional=provisional,
        final=final,
        scoreable=True,
    )


def resolve_all(session: StreamSession, events: Sequence[FeedEvent], llr: float) -> list[Any]:
    """Gives every window that is worth scoring the same LLR."""
    out: list[Any] = []
    for cut in windows_of(events):
        status = WindowStatus.SCORED if cut.scoreable else WindowStatus.INSUFFICIENT_SPEECH
        out += session.resolve(cut, status, llr if cut.scoreable else None)
    return out
