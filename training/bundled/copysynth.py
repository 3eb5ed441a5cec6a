"""Spoofs made from human speech: analysis and resynthesis, so that only the synthesis differs.

Channel, speaker and words stay those of the human recording, so that a classifier cannot rely on
them (copy synthesis; Wang and Yamagishi 2023). Every method takes and returns 16 kHz mono
float32 (N,) and a generator for its random choices.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray

Method = Callable[[FloatArray, np.random.Generator], FloatArray]
# methods that analyse pitch with the WORLD package
WORLD_METHODS = frozenset({"world", "lpc"})


def world(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """WORLD (Morise et al. 2016): pitch, envelope and aperiodicity, sometimes altered or coarse."""
    pyworld = load_pyworld()

    wave = samples.astype(np.float64)
    period_ms = float(generator.choice([5.0, 5.0, 10.0]))
    pitch, times = pyworld.dio(wave, SAMPLE_RATE_HZ, frame_period=period_ms)
    pitch = pyworld.stonemask(wave, pitch, times, SAMPLE_RATE_HZ)
    envelope = pyworld.cheaptrick(wave, pitch, times, SAMPLE_RATE_HZ, fft_size=1024)
    aperiodicity = pyworld.d4c(wave, pitch, times, SAMPLE_RATE_HZ, fft_size=1024)
    kind = generator.integers(0, 4)
    if kind == 1:
        pitch = pitch * generator.uniform(0.8, 1.3)
    elif kind == 2:
        coded = pyworld.code_spectral_envelope(envelope, SAMPLE_RATE_HZ, 40)
        envelope = pyworld.decode_spectral_envelope(coded, SAMPLE_RATE_HZ, 1024)
    elif kind == 3:
        band = pyworld.code_aperiodicity(aperiodicity, SAMPLE_RATE_HZ)
        aperiodicity = pyworld.decode_aperiodicity(band, SAMPLE_RATE_HZ, 1024)
    made = pyworld.synthesize(pitch, envelope, aperiodicity, SAMPLE_RATE_HZ, period_ms)
    return _fit(np.asarray(made, dtype=np.float32), samples.size)


def griffin_lim(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Griffin-Lim (1984) from a mel spectrogram of 40 to 128 bands, or from the full magnitude."""
    import torchaudio.functional as audio

    size, hop = 1024, int(generator.choice([128, 200, 256]))
    window = torch.hann_window(size)
    wave = torch.from_numpy(samples)
    magnitude = torch.stft(wave, size, hop, window=window, return_complex=True).abs()
    if generator.random() < 0.75:
        magnitude = _through_mel(magnitude, int(generator.choice([40, 64, 80, 80, 128])), size)
    made = audio.griffinlim(
        magnitude,
        window=window,
        n_fft=size,
        hop_length=hop,
        win_length=size,
        power=1.0,
        n_iter=int(generator.choice([8, 16, 32, 60])),
        momentum=float(generator.choice([0.0, 0.9])),
        length=samples.size,
        rand_init=True,
    )
    return np.asarray(made.numpy(), dtype=np.float32)


def mel_phase(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Resynthesises with a mel-smoothed magnitude and the blurred original phase."""
    size, hop = 1024, 256
    window = torch.hann_window(size)
    spectrum = torch.stft(torch.from_numpy(samples), size, hop, window=window, return_complex=True)
    magnitude = _through_mel(spectrum.abs(), int(generator.choice([80, 100, 128])), size)
    spread = float(generator.uniform(0.2, 1.2))
    seed = torch.Generator().manual_seed(int(generator.integers(2**31)))
    noise = torch.randn(magnitude.shape, generator=seed) * spread
    height = torch.linspace(0, 1, magnitude.shape[0])[:, None]
    phase = spectrum.angle() + noise * height
    made = torch.istft(torch.polar(magnitude, phase), size, hop, window=window, length=samples.size)
    return made.numpy().astype(np.float32)


def linear_prediction(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Linear prediction: the residual replaced by pulses and noise, or quantised coarsely."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    order, frame, hop = int(generator.choice([16, 20, 24])), 480, 160
    count = max(1, (samples.size - frame) // hop + 1)
    window = np.hanning(frame)
    made = np.zeros(samples.size + frame, dtype=np.float64)
    weight = np.full(samples.size + frame, 1e-3)
    source = _excitation(samples, generator) if generator.random() < 0.6 else None
    levels = int(generator.choice([2, 3, 4, 8]))
    for index in range(count):
        part = slice(index * hop, index * hop + frame)
        piece = samples[part].astype(np.float64)
        if piece.size < frame:
            piece = np.pad(piece, (0, frame - piece.size))
        shaped = piece * window
        correlation = np.correlate(shaped, shaped, "full")[frame - 1 : frame + order]
        correlation[0] = correlation[0] * 1.0001 + 1e-9
        taps = solve_toeplitz(correlation[:order], correlation[1 : order + 1])
        inverse = np.concatenate(([1.0], -taps))
        residual = lfilter(inverse, [1.0], piece)
        power = float(np.sqrt(np.mean(residual**2))) + 1e-9
        if source is not None:
            fresh = source[part]
            fresh = np.pad(fresh, (0, frame - fresh.size))
            excitation = fresh / (np.sqrt(np.mean(fresh**2)) + 1e-9) * power
        else:
            excitation = np.round(residual / power / 2 * levels) / levels * 2 * power
        made[part] += lfilter([1.0], inverse, excitation)[:frame] * window
        weight[part] += window
    return _fit((made / weight).astype(np.float32), samples.size)


def phase_vocoder(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Stretches time with a phase vocoder (Flanagan and Golden 1966), and reverses it."""
    from scipy.signal import resample

    size, hop = int(generator.choice([512, 1024])), 128
    window = torch.hann_window(size)
    advance = torch.linspace(0, torch.pi * hop, size // 2 + 1)[:, None]
    import torchaudio.functional as audio

    rate = float(generator.choice([0.8, 0.9, 1.1, 1.2]))
    spectrum = torch.stft(torch.from_numpy(samples), size, hop, window=window, return_complex=True)
    stretched = audio.phase_vocoder(spectrum, rate, advance)
    if generator.random() < 0.5:
        stretched = audio.phase_vocoder(stretched, 1 / rate, advance)
        made = torch.istft(stretched, size, hop, window=window, length=samples.size).numpy()
    else:
        made = torch.istft(stretched, size, hop, window=window).numpy()
        made = resample(made, samples.size)
    return _fit(np.asarray(made, dtype=np.float32), samples.size)


METHODS: dict[str, Method] = {
    "world": world,
    "griffin-lim": griffin_lim,
    "mel-phase": mel_phase,
    "lpc": linear_prediction,
    "phase-vocoder": phase_vocoder,
}


def _through_mel(magnitude: Tensor, bands: int, size: int) -> Tensor:
    """Takes magnitudes (F, T) to mel bands and back by the filters' normalised transpose."""
    import torchaudio.functional as audio

    filters = audio.melscale_fbanks(size // 2 + 1, 0.0, 8000.0, bands, SAMPLE_RATE_HZ)
    mel = filters.T @ magnitude
    mean = mel / filters.sum(0).clamp(min=1e-6)[:, None]
    spread = filters @ mean / filters.sum(1).clamp(min=1e-6)[:, None]
    edge = filters.sum(1) < 1e-6
    spread[edge] = magnitude[edge]
    made: Tensor = spread
    return made


def _excitation(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Returns pulses where WORLD's DIO finds a pitch, and noise elsewhere (N,)."""
    pyworld = load_pyworld()

    pitch, _ = pyworld.dio(samples.astype(np.float64), SAMPLE_RATE_HZ, frame_period=5.0)
    step = SAMPLE_RATE_HZ // 200
    track = np.repeat(pitch, step)[: samples.size]
    track = np.pad(track, (0, samples.size - track.size))
    phase = np.cumsum(track / SAMPLE_RATE_HZ)
    pulses = np.diff(np.floor(phase), prepend=0.0) * np.sqrt(SAMPLE_RATE_HZ / 120)
    noise = generator.normal(size=samples.size)
    mix = float(generator.uniform(0.02, 0.3))
    return np.asarray(np.where(track > 0, pulses + mix * noise, noise), dtype=np.float32)


def load_pyworld() -> Any:
    """Imports the WORLD vocoder without its warnings, which a user can do nothing about."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pyworld
    except ImportError as error:
        raise UserError(
            "copy synthesis by WORLD needs pyworld: pip install 'dfd[world]'"
        ) from error
    return pyworld


def _fit(samples: FloatArray, count: int) -> FloatArray:
    """Cuts or zero-pads to (count,)."""
    if samples.size >= count:
        return samples[:count]
    return np.pad(samples, (0, count - samples.size))
