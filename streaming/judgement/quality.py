"""Properties of the signal that make a score less trustworthy."""

import numpy as np

from dfd.streaming.state import QualityState
from dfd.streaming.types import Samples

_CLIP_LEVEL = 0.999
_SEGMENT_SAMPLES = 1024
_SEGMENTS_PER_SECOND = 2
_BAND_HZ = 250.0
# Speech falls off by some 40 dB towards the top of the telephone band; what is this far below
# the strongest band is a filter's stop band or noise.
_FLOOR_DB = 55.0
_NOTHING = QualityState(0, 0, ())


class SignalQuality:
    """Clipping and bandwidth over the scored windows of one track."""

    def __init__(self, sample_rate_hz: int, state: QualityState = _NOTHING) -> None:
        self._rate = sample_rate_hz
        self._window = np.hanning(_SEGMENT_SAMPLES).astype(np.float32)
        self._bins = round(_BAND_HZ * _SEGMENT_SAMPLES / sample_rate_hz)
        bands = (_SEGMENT_SAMPLES // 2 + 1) // self._bins
        self._bands = np.zeros(bands)
        self._bands[: len(state.bands)] = state.bands
        self._samples = state.samples
        self._clipped = state.clipped

    def state(self) -> QualityState:
        """Returns the state so far, with bands rounded to four digits."""
        bands = tuple(float(f"{power:.4g}") for power in self._bands)
        return QualityState(self._samples, self._clipped, bands)

    def observe(self, samples: Samples) -> None:
        """Observes samples worth scoring, float32 (n,)."""
        self._samples += len(samples)
        if len(samples) and (samples.max() >= _CLIP_LEVEL or samples.min() <= -_CLIP_LEVEL):
            self._clipped += int(np.count_nonzero(np.abs(samples) >= _CLIP_LEVEL))
        if len(samples) < _SEGMENT_SAMPLES:
            return
        count = max(1, len(samples) * _SEGMENTS_PER_SECOND // self._rate)
        last = len(samples) - _SEGMENT_SAMPLES
        starts = [last * at // max(1, count - 1) for at in range(count)]
        segments = np.stack([samples[at : at + _SEGMENT_SAMPLES] for at in starts])
        power = np.square(np.abs(np.fft.rfft(segments * self._window))).sum(axis=0)
        bands = len(self._bands)
        self._bands += power[: bands * self._bins].reshape(bands, self._bins).mean(axis=1)

    @property
    def clipped_fraction(self) -> float:
        """Share of the samples at full scale, in [0, 1]."""
        return self._clipped / self._samples if self._samples else 0.0

    @property
    def bandwidth_hz(self) -> float:
        """Top of the highest 250 Hz band with any energy; the full bandwidth if unknown."""
        power = self._bands
        if not power.any():
            return self._rate / 2
        present = np.flatnonzero(power >= power.max() * 10.0 ** (-_FLOOR_DB / 10.0))
        return float((present[-1] + 1) * self._bins * self._rate / _SEGMENT_SAMPLES)
