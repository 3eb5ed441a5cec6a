"""Evidence clips: the audio around an alert, only if it is asked for."""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.streaming.types import Alert, Window

BEFORE_SECONDS = 8.0
AFTER_SECONDS = 4.0

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clip:
    """A complete clip: its path, and 16-bit samples (N,)."""

    path: Path
    samples: Pcm
    sample_rate_hz: int


@dataclass(slots=True)
class _Growing:
    path: Path
    until: int
    parts: list[Pcm]


@dataclass(slots=True)
class _Channel:
    """The last seconds of a channel, and the clip that is waiting for what follows."""

    end: int = 0
    rate: int = 0
    parts: deque[Pcm] = field(default_factory=deque)
    count: int = 0
    growing: _Growing | None = None


class CallClips:
    """The clips of one call, assembled from its overlapping windows.

    Args:
        folder: folder for the clips.
        write: called with each complete clip.
    """

    def __init__(self, folder: Path, write: Callable[[Clip], None]) -> None:
        self._folder = folder
        self._write = write
        self._channels: dict[int, _Channel] = {}

    def window(self, window: Window) -> None:
        """Adds a resolved window."""
        channel = self._channels.setdefault(window.channel, _Channel())
        channel.rate = window.sample_rate_hz
        if window.end_sample <= channel.end:
            return
        new = window.samples[-(window.end_sample - max(channel.end, window.start_sample)) :]
        part = np.asarray(np.clip(np.round(new * 32767.0), -32768, 32767), np.int16)
        if channel.count and window.start_sample > channel.end:  # a hop longer than a window
            silent = min(window.start_sample - channel.end, round(BEFORE_SECONDS * channel.rate))
            part = np.concatenate([np.zeros(silent, np.int16), part])
        channel.end = window.end_sample
        channel.parts.append(part)
        channel.count += len(part)
        most = round(BEFORE_SECONDS * channel.rate)
        while channel.count - len(channel.parts[0]) >= most:
            channel.count -= len(channel.parts.popleft())
        if channel.growing is not None:
            channel.growing.parts.append(part)
            if channel.end >= channel.growing.until:
                self._finish(channel)

    def alert(self, stream_id: str, alert: Alert) -> str | None:
        """Begins a clip, or extends the current one, and returns its path; None if cleared."""
        channel = self._channels.get(alert.channel)
        if alert.cleared or channel is None or not channel.count:
            return None
        if channel.growing is None:
            path = self._folder / _name(stream_id, alert)
            until = channel.end + round(AFTER_SECONDS * channel.rate)
            before = np.concatenate(list(channel.parts))[-round(BEFORE_SECONDS * channel.rate) :]
            channel.growing = _Growing(path, until, [before])
        return str(channel.growing.path)

    def close(self) -> None:
        """Writes the unfinished clips, since the call is over."""
        for channel in self._channels.values():
            self._finish(channel)
        self._channels.clear()

    def _finish(self, channel: _Channel) -> None:
        if channel.growing is not None:
            clip, channel.growing = channel.growing, None
            self._write(Clip(clip.path, np.concatenate(clip.parts), channel.rate))


def _name(stream_id: str, alert: Alert) -> str:
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", stream_id)[:64]
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    at, own = round(alert.offset_seconds), uuid.uuid4().hex[:8]
    return f"{now}-{safe}-channel{alert.channel}-{at}s-{own}.flac"
