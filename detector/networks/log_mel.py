"""The log-mel spectrogram that Whisper hears, of waveforms that end anywhere.

Bands, frames and scaling are Whisper's (Radford et al. 2022): 80 mel bands of frames of 25 ms every
10 ms, base-10 logarithms of power, at most 8 below the largest, scaled to about -1 to 1. A waveform
is padded with zeros instead of its own reflection, so that one padded to the length of others gives
the frames that it would give alone.
"""

import math
from typing import Optional

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from dfd.detector.networks.frames import patches

SAMPLE_RATE_HZ = 16_000
BANDS = 80
TAPS = 400
STEP = 160
# the power that is still told from silence, and the range below the loudest place
_LEAST_POWER = 1e-10
_RANGE = 8.0


class LogMel(nn.Module):
    """Takes waveforms of unit variance to log-mel frames.

    The window is symmetric, so cosines need only the sums of the samples on both sides of its
    middle, and sines only their differences: half of the products.
    """

    cosines: Tensor
    sines: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        # TorchScript reads attributes, not globals
        self.taps, self.step = TAPS, STEP
        self.middle = TAPS // 2
        self.least_power, self.range = _LEAST_POWER, _RANGE
        for name, value in constants().items():
            self.register_buffer(name, value, persistent=False)

    def settle(self) -> None:
        """Computes the constants again, for frameworks that allocate modules without values."""
        for name, value in constants().items():
            getattr(self, name).copy_(value)

    def forward(self, waves: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns frames (B, N // STEP, BANDS) of waveforms (B, N), zero beyond their ends.

        Args:
            waves: the waveforms, zero beyond their valid samples.
            frames: (B,), number of valid frames of each; the others are zero. None means all.
        """
        count = waves.size(1) // self.step
        power = nn.functional.linear(self.power(waves, count), self.bands)
        found = torch.log10(power.clamp(min=self.least_power))
        if frames is None:
            loudest = found.amax(dim=2).amax(dim=1).unsqueeze(1).unsqueeze(2)
            return (torch.maximum(found, loudest - self.range) + 4.0) / 4.0
        valid = valid_places(frames, count)
        silent = math.log10(self.least_power)
        loudest = found.masked_fill(valid == 0.0, silent).amax(dim=2).amax(dim=1)
        loudest = loudest.unsqueeze(1).unsqueeze(2)
        return (torch.maximum(found, loudest - self.range) + 4.0) / 4.0 * valid

    def power(self, waves: Tensor, count: int) -> Tensor:
        """Returns the power (B, count, bins) of the first frames of waveforms (B, N)."""
        ends = [self.middle, (count + 2) * self.step - self.middle - waves.size(1)]
        rows = patches(nn.functional.pad(waves, ends).unsqueeze(2), self.taps, self.step)
        rows = rows[:, :count]
        after = rows[:, :, self.middle :]
        # the first sample of the window has weight zero
        before = rows[:, :, : self.middle].flip(2)[:, :, : self.middle - 1]
        even = after + nn.functional.pad(before, [1, 0])
        odd = after[:, :, 1:] - before
        real = nn.functional.linear(even, self.cosines)
        imaginary = nn.functional.linear(odd, self.sines)
        return real * real + imaginary * imaginary


class FourierLogMel(LogMel):
    """The same by a fast Fourier transform, which formats for other servers do not have."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(TAPS), persistent=False)

    def power(self, waves: Tensor, count: int) -> Tensor:
        """Returns the power (B, count, bins) of the first frames of waveforms (B, N)."""
        rows = nn.functional.pad(waves, [self.middle, self.middle]).unfold(1, self.taps, self.step)
        found = torch.fft.rfft(rows[:, :count] * self.window)
        real, imaginary = torch.real(found), torch.imag(found)
        return real * real + imaginary * imaginary


def valid_places(counts: Tensor, places: int) -> Tensor:
    """Returns float32 (B, places, 1): 1 for the first `counts` (B,) places, 0 for the others."""
    at = torch.arange(places, device=counts.device).unsqueeze(0)
    return (at < counts.unsqueeze(1)).to(torch.float32).unsqueeze(2)


def constants() -> dict[str, Tensor]:
    """Returns the windowed cosines and sines (bins, half a window), and the bands (BANDS, bins)."""
    # a framework that loads weights later may have made "meta" the default device
    with torch.device("cpu"):
        bins = TAPS // 2 + 1
        place = torch.arange(TAPS // 2, dtype=torch.float64)
        window = 0.5 + 0.5 * torch.cos(2 * math.pi * place / TAPS)
        turns = 2 * math.pi * torch.arange(bins, dtype=torch.float64).unsqueeze(1) * place / TAPS
        mel = melscale_fbanks(
            bins, 0.0, SAMPLE_RATE_HZ / 2, BANDS, SAMPLE_RATE_HZ, "slaney", "slaney"
        )
        return {
            "cosines": (torch.cos(turns) * window).float(),
            "sines": (torch.sin(turns) * window)[:, 1:].float().contiguous(),
            "bands": mel.t().contiguous(),
        }
