"""Merges two separate legs of a call into two channels on one time line.

What one leg lacks is filled with silence, because the wire has gaps only in all channels at once;
where no leg has audio there is a gap.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from dfd.bridges.calls import CallAudio
from dfd.bridges.media.silence import silent_byte
from dfd.clients.audio import AudioFormat

_Piece = tuple[int, NDArray[np.void]]


class Tracks:
    """Interleaves mono tracks.

    Args:
        audio_format: format of the result; each track is one of its channels.
        skew_seconds: how long to wait for a track while another continues.
    """

    def __init__(self, audio_format: AudioFormat, skew_seconds: float = 0.5) -> None:
        self._count = audio_format.channel_count
        self._width = audio_format.encoding.bytes_per_sample
        self._dtype = np.dtype(f"V{self._width}")
        self._silent = np.frombuffer(silent_byte(audio_format.encoding) * self._width, self._dtype)
        self._skew = audio_format.frames(skew_seconds)
        self._pieces: tuple[deque[_Piece], ...] = tuple(deque() for _ in range(self._count))
        self._ends = [0] * self._count
        self._position = 0
        self._gap = 0
        self.late_frames = 0

    def end_of(self, track: int) -> int:
        """Returns the position after the last frame of a track."""
        return max(self._ends[track], self._position)

    def push(self, track: int, content: bytes, position: int | None = None) -> list[CallAudio]:
        """Adds audio of one track.

        Args:
            track: number of the track, from 0.
            content: whole samples.
            position: position of the first frame; None means directly after the last.

        Returns:
            Audio that all tracks have, or that was waited for long enough.
        """
        samples = np.frombuffer(content, self._dtype)
        start = self._ends[track] if position is None else position
        floor = max(self._ends[track], self._position)
        if start < floor:
            cut = min(floor - start, len(samples))
            self.late_frames += cut
            samples, start = samples[cut:], start + cut
        if not len(samples):
            return []
        self._pieces[track].append((start, samples))
        self._ends[track] = start + len(samples)
        return self._emit(max(min(self._ends), max(self._ends) - self._skew))

    def flush(self) -> list[CallAudio]:
        """Returns everything that is left."""
        return self._emit(max(self._ends))

    def _emit(self, until: int) -> list[CallAudio]:
        given: list[CallAudio] = []
        while self._position < until:
            start = self._position
            first = min((one[0][0] for one in self._pieces if one), default=until)
            if first > start:  # no track has audio here
                self._position = min(first, until)
                self._gap += self._position - start
                continue
            end = until
            for pieces in self._pieces:
                if pieces:
                    begins, samples = pieces[0]
                    end = min(end, begins if begins > start else begins + len(samples))
            mixed = np.repeat(self._silent, (end - start) * self._count).reshape(-1, self._count)
            filled = 0
            for track, pieces in enumerate(self._pieces):
                if not pieces or pieces[0][0] > start:
                    filled += end - start
                    continue
                begins, samples = pieces.popleft()
                mixed[:, track] = samples[start - begins : end - begins]
                if begins + len(samples) > end:
                    pieces.appendleft((end, samples[end - begins :]))
            given.append(CallAudio(mixed.tobytes(), self._gap, filled))
            self._gap = 0
            self._position = end
        return given
