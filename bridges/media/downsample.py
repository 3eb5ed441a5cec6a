"""Reduces rates above the maximum of the wire contract."""

from __future__ import annotations

import numpy as np

_LAYOUTS = {1: "mono", 2: "stereo"}


class Downsampler:
    """Resamples 16-bit audio with FFmpeg's library, through PyAV.

    Args:
        from_rate_hz: input rate.
        to_rate_hz: output rate.
        channel_count: one or two, interleaved.
    """

    def __init__(self, from_rate_hz: int, to_rate_hz: int, channel_count: int) -> None:
        import av

        self._rate_hz = from_rate_hz
        self._layout = _LAYOUTS[channel_count]
        self._bytes_per_frame = 2 * channel_count
        self._resampler = av.AudioResampler("s16", self._layout, to_rate_hz)

    def push(self, content: bytes) -> bytes:
        """Takes whole frames and returns those that are ready."""
        import av

        if not content:
            return b""
        samples = np.frombuffer(content, "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=self._layout)
        frame.sample_rate = self._rate_hz
        return b"".join(
            bytes(one.planes[0])[: one.samples * self._bytes_per_frame]
            for one in self._resampler.resample(frame)
        )
