"""Hand-made features of a batch of recordings: spectral centroid, mel entropy, MFCCs.

Frames are centred and the signal is padded with zeros, as in librosa; the features of a recording
do not depend on the others in its batch.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torchaudio
from torch import Tensor

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.training.frozen.recipe import SpectralOptions

_LEAST_POWER = 1e-10
# Levels further below a recording's loudest band, in decibels, are clipped.
_RANGE_DB = 80.0


def names(options: SpectralOptions) -> list[str]:
    """Returns the names of the columns of `spectral_features`."""
    mfcc = [f"mfcc_{number}" for number in range(options.coefficients)]
    return ["centroid_hz", "mel_entropy", *mfcc]


def spectral_features(waves: Tensor, lengths: Tensor, options: SpectralOptions) -> Tensor:
    """Takes float32 (B, N), zero past `lengths` int64 (B,), to float32 (B, 2 + coefficients).

    The features are the mean spectral centroid in Hz; the Shannon entropy (nats) of the power in
    a frame's mel bands, averaged over frames, so that it does not depend on duration; mean MFCCs.
    """
    size, hop = options.fft_samples, options.hop_samples
    window = torch.hann_window(size)
    spectrum = torch.stft(
        waves, size, hop, window=window, pad_mode="constant", return_complex=True
    ).abs()
    frames = 1 + lengths // hop
    valid = torch.arange(spectrum.shape[2]) < frames.unsqueeze(1)
    magnitude = spectrum * valid.unsqueeze(1)
    power = magnitude**2

    hertz = torch.linspace(0, SAMPLE_RATE_HZ / 2, magnitude.shape[1])
    weight = magnitude.sum(1)
    centroid = torch.einsum("f,bft->bt", hertz, magnitude) / weight.clamp(min=_LEAST_POWER)

    bands = _mel(power, options.entropy_bands)
    share = bands / bands.sum(1, keepdim=True).clamp(min=_LEAST_POWER)
    entropy = -torch.xlogy(share, share).sum(1)

    decibel = 10 * torch.log10(_mel(power, options.cepstrum_bands).clamp(min=_LEAST_POWER))
    loudest = decibel.masked_fill(~valid.unsqueeze(1), -torch.inf).amax((1, 2), keepdim=True)
    decibel = torch.maximum(decibel, loudest - _RANGE_DB)
    basis = torchaudio.functional.create_dct(
        options.coefficients, options.cepstrum_bands, norm="ortho"
    )
    mfcc = torch.einsum("bmt,mc->bct", decibel, basis)
    columns = torch.cat((centroid.unsqueeze(1), entropy.unsqueeze(1), mfcc), dim=1)
    return (columns * valid.unsqueeze(1)).sum(2) / frames.unsqueeze(1)


def _mel(power: Tensor, bands: int) -> Tensor:
    """Takes power (B, F, T) to mel bands (B, bands, T)."""
    return torch.einsum("bft,fm->bmt", power, _filters(power.shape[1], bands))


@cache
def _filters(bins: int, bands: int) -> Tensor:
    make: Any = torchaudio.functional.melscale_fbanks
    filters: Tensor = make(
        bins, 0.0, SAMPLE_RATE_HZ / 2, bands, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    return filters
