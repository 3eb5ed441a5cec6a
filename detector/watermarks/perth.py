"""Perth: the watermark that Resemble AI's generators, such as Chatterbox, put into their speech.

It lies below 2 kHz, in the magnitudes of a spectrogram, and carries no message: it is there or not.
The package resemble-perth is needed only for its weights, which are read as tensors; importing it
would need librosa and an old setuptools. The network here does the same arithmetic. It takes audio
at any rate at which its frames are a whole number of samples, without resampling to 32 kHz first,
since it reads only bands that all these rates have.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dfd.detector.files.pickled import read_pickled, state_of
from dfd.detector.files.tensors import match_tensors
from dfd.detector.watermarks.schemes import PERTH, weights_of
from dfd.errors import UserError

_RATE_HZ, _FRAME, _HOP = 32_000, 2048, 320
# bands below 2 kHz, whose magnitudes the network sees
_BANDS, _WIDTH, _TAPS, _DEEP = 128, 256, 7, 5
_FLOOR, _HEADROOM_DB = 1e-9, 15.0
_FLOOR_DB = -180.0
# frames with less than this share of the loudest frame's sum are not read
_QUIET = 0.05
# the network sees the frames stretched, unchanged and squeezed
_SPEEDS = {"slow": 1.25, "normal": 1.0, "fast": 0.75}


class _Branch(nn.Sequential):
    """Takes frames of bands to two numbers for each frame: its weight, and its confidence."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [nn.Conv1d(_BANDS, _WIDTH, 1), nn.LeakyReLU()]
        for _ in range(_DEEP):
            layers += [nn.Conv1d(_WIDTH, _WIDTH, _TAPS, padding=_TAPS // 2), nn.LeakyReLU()]
        super().__init__(*layers, nn.Conv1d(_WIDTH, 2, 1))


class PerthReader(nn.Module):
    """Reads the confidence that samples carry the mark.

    Args:
        sample_rate_hz: rate of the samples; a frame of 64 ms and a hop of 10 ms must each be a
            whole number of samples.

    Raises:
        UserError: if they are not.
    """

    window: Tensor

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        if _FRAME * sample_rate_hz % _RATE_HZ or _HOP * sample_rate_hz % _RATE_HZ:
            raise UserError(
                f"Perth's watermark cannot be read at {sample_rate_hz} Hz: serve a model of 8000 or"
                " 16000 Hz"
            )
        self._frame = _FRAME * sample_rate_hz // _RATE_HZ
        self._hop = _HOP * sample_rate_hz // _RATE_HZ
        # the network was trained on sums over this many times more samples
        self._scale = _FRAME / self._frame
        self.register_buffer("window", torch.hann_window(self._frame), persistent=False)
        self.branches = nn.ModuleDict({name: _Branch() for name in _SPEEDS})

    @property
    def least_samples(self) -> int:
        """The fewest samples that fill a frame."""
        return self._frame

    def forward(self, samples: Tensor) -> Tensor:
        """Takes samples (B, N) to (B,), about 0 without the mark and about 1 with it."""
        levels = self._levels(samples)
        total = levels.sum(dim=1)
        heard = (total > _QUIET * total.amax(dim=1, keepdim=True)).float().unsqueeze(1)
        bands = levels[:, :_BANDS]
        frames = bands.shape[2]
        weights, marks = [], []
        for name, speed in _SPEEDS.items():
            size = int(frames * speed)
            moved = functional.interpolate(bands, size, mode="linear", align_corners=True)
            mask = functional.interpolate(heard, size, mode="nearest")
            said = (self.branches[name](moved) * mask).sum(dim=2) / mask.sum(dim=2).clamp(min=1.0)
            weights.append(said[:, 0])
            marks.append(said[:, 1])
        share = torch.stack(weights, dim=1).softmax(dim=1)
        return (torch.stack(marks, dim=1) * share).sum(dim=1)

    def _levels(self, samples: Tensor) -> Tensor:
        """Magnitudes (B, bins, frames) in decibels, scaled so that the floor is 0."""
        spectrum = torch.stft(
            samples,
            self._frame,
            self._hop,
            window=self.window,
            return_complex=True,
            pad_mode="reflect",
        )
        level = 20.0 * torch.log10((spectrum.abs() * self._scale).clamp(min=_FLOOR))
        return (level - _FLOOR_DB) / (_HEADROOM_DB - _FLOOR_DB)


def load_perth(sample_rate_hz: int, path: Path | None = None) -> PerthReader:
    """Builds the reader and loads its weights.

    Args:
        sample_rate_hz: rate of the samples that it will read.
        path: path of the weights; None means those of the installed package.

    Raises:
        UserError: if the weights are missing, or belong to something else.
    """
    path = path or weights_of(PERTH)
    tensors, _ = state_of(read_pickled(path), path)
    reader = PerthReader(sample_rate_hz)
    renamed = {_name(name): value for name, value in tensors.items()}
    shapes = {name: value.shape for name, value in reader.state_dict().items()}
    unused = [name for name in renamed if not name.startswith("branches.")]
    matched = match_tensors(renamed, shapes, path, unused=unused, source="Perth's reader")
    reader.load_state_dict(matched)
    return reader.eval()


def _name(theirs: str) -> str:
    """Turns `decoder.slow_layers.3.conv.weight` into `branches.slow.6.weight`."""
    parts = theirs.split(".")
    if parts[0] != "decoder" or len(parts) != 5:
        return theirs
    speed = parts[1].removesuffix("_layers")
    return f"branches.{speed}.{2 * int(parts[2])}.{parts[4]}"
