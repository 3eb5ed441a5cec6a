"""Spectral regression: the convolutions learn a log spectrum before they learn anything else.

The logarithm is what the architecture lacks: without it a raw-waveform network spends most of a
short training on discovering loudness-invariant spectra. Two linear read-outs, thrown away
afterwards, predict log power in 128 linear bands, less its mean over bands: one from the second
convolution (a frame each), one from the last (its stride's worth of frames at once).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dfd.training.augment import AugmentOptions, augment, normalise
from dfd.training.batches import Sampler

BANDS = 128
FFT_SAMPLES = 512


@dataclass(frozen=True)
class PretrainOptions:
    """Steps of Adam on batches of ``clips`` crops of ``crop_samples``.

    ``floor`` is added to the power before the logarithm; ``untouched_chance`` is as in a phase.
    """

    steps: int = 250
    clips: int = 24
    crop_samples: int = 24_000
    learning_rate: float = 2e-3
    floor: float = 1e-2
    untouched_chance: float = 0.5


def log_spectrum(waves: Tensor, taps: int, hop: int, floor: float) -> Tensor:
    """Targets (B, BANDS, T): log band power over 3, less its mean over bands, as (B, N) is heard.

    Frames are those of a convolution of ``taps`` and stride ``hop``, with power ``floor`` added.
    """
    window = torch.hann_window(taps, device=waves.device)
    spectrum = torch.stft(waves, FFT_SAMPLES, hop, taps, window, center=False, return_complex=True)
    power = spectrum.abs().pow(2)[:, : FFT_SAMPLES // 2]
    power = power.reshape(len(waves), BANDS, -1, power.shape[2]).sum(2)
    target = torch.log(power + floor) / 3
    return target - target.mean(1, keepdim=True)


def pretrain(
    network: nn.Module,
    sampler: Sampler,
    options: PretrainOptions,
    augmentation: AugmentOptions,
    *,
    seed: int,
    device: torch.device,
    report: Callable[[float], None],
) -> None:
    """Train the convolutions of ``network`` in place; ``report`` gets the share explained.

    The last read-out predicts as many frames at once as the convolutions after the second skip.
    """
    module: Any = network
    module.to(device).train()
    layers = module.wav2vec2.feature_extractor.conv_layers
    config = module.config
    taps, hop = config.conv_kernel[0], config.conv_stride[0]
    skip = math.prod(config.conv_stride[2:])
    early = nn.Linear(config.conv_dim[1], BANDS).to(device)
    late = nn.Linear(config.conv_dim[-1], BANDS * skip).to(device)
    parts = [layers[0].layer_norm, *layers[1:], early, late]
    parameters = [parameter for part in parts for parameter in part.parameters()]
    frozen = [parameter for parameter in parameters if not parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=options.learning_rate)
    draws = torch.Generator(device=device).manual_seed(seed)
    for step in range(options.steps):
        factor = min(1.0, (step + 1) / 20) * (1 + math.cos(math.pi * step / options.steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * (0.02 + factor)
        waves, lengths, _ = sampler.draw(options.clips, options.crop_samples)
        waves, lengths = waves.to(device), lengths.to(device)
        with torch.no_grad():
            waves = augment(waves, lengths, augmentation, draws, options.untouched_chance)
            waves = normalise(waves, lengths)
            target = log_spectrum(waves, taps, hop, options.floor)
        hidden = layers[1](layers[0](waves.unsqueeze(1)))
        last = hidden
        for layer in layers[2:]:
            last = layer(last)
        frames = min(hidden.shape[2], target.shape[2])
        seen = early(hidden[:, :, :frames].transpose(1, 2)).transpose(1, 2)
        first_error = (seen - target[:, :, :frames]).pow(2).mean()
        offset = skip // 4
        whole = min(last.shape[2], (target.shape[2] - offset) // skip)
        blocks = late(last.transpose(1, 2))[:, :whole]
        blocks = blocks.reshape(len(waves), whole * skip, BANDS).transpose(1, 2)
        last_error = (blocks - target[:, :, offset : offset + whole * skip]).pow(2).mean()
        optimizer.zero_grad()
        (first_error + last_error).backward()
        optimizer.step()
        spread = target.var(dim=(0, 2)).mean()
        mean_error = (first_error + last_error).detach() / 2
        report(float(1 - mean_error / spread))
    for parameter in frozen:
        parameter.requires_grad_(False)
