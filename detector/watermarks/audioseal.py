"""AudioSeal: a watermark that its detector finds in each sample separately.

The weights are a file of AudioSeal's authors, `detector_base.pth`, which is read as tensors; its
package is not needed. The network is SEANet's encoder with a layer that returns to the sample
rate; it takes audio at 16 kHz. The file may store the weight of a convolution whole or as direction
and length, under the names of any of several versions of the package.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from dfd.detector.files.pickled import read_pickled, state_of
from dfd.detector.files.tensors import match_tensors, read_safetensors
from dfd.detector.watermarks.schemes import AUDIOSEAL, weights_of
from dfd.errors import UserError

_RATE_HZ = 16_000
_FILTERS, _DEEP, _SPREAD = 32, 128, 32
_STRIDES = (2, 4, 5, 8)
_HOP = 320  # the product of the strides
_EDGE_TAPS, _INNER_TAPS = 7, 3
_LAST = "head.weight"
# their name -> ours; their convolutions are wrapped in two or three modules
_RENAMED = (
    (re.compile(r"^detector\.0\.model\."), "encoder."),
    (re.compile(r"^detector\.0\.reverse_convolution\."), "spread."),
    (re.compile(r"^detector\.1\."), "head."),
    (re.compile(r"\.conv\.conv\.(inner_conv\.)?"), "."),
    (re.compile(r"parametrizations\.weight\.original0$"), "weight_g"),
    (re.compile(r"parametrizations\.weight\.original1$"), "weight_v"),
)


class _Convolution(nn.Conv1d):
    """Pads with zeros so that every sample of the input falls into a step of the output."""

    def forward(self, values: Tensor) -> Tensor:
        taps, stride = self.kernel_size[0], self.stride[0]
        right = (taps - stride) // 2
        left = taps - stride - right
        right += -values.shape[-1] % stride
        return super().forward(functional.pad(values, (left, right)))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ELU(),
            _Convolution(width, width // 2, _INNER_TAPS),
            nn.ELU(),
            _Convolution(width // 2, width, 1),
        )

    def forward(self, values: Tensor) -> Tensor:
        added: Tensor = values + self.block(values)
        return added


class _Recurrent(nn.Module):
    """Two LSTMs over the steps, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, 2)

    def forward(self, values: Tensor) -> Tensor:
        steps = values.permute(2, 0, 1)
        added: Tensor = steps + self.lstm(steps)[0]
        return added.permute(1, 2, 0)


class AudioSealReader(nn.Module):
    """Reads the share of samples that carry the mark, the confidence of AudioSeal's authors.

    Args:
        bits: length of the message that a mark can carry; the message is not read.
    """

    least_samples = _HOP

    def __init__(self, bits: int) -> None:
        super().__init__()
        width = _FILTERS
        layers: list[nn.Module] = [_Convolution(1, width, _EDGE_TAPS)]
        for stride in _STRIDES:
            layers += [_Residual(width), nn.ELU()]
            layers += [_Convolution(width, 2 * width, 2 * stride, stride)]
            width *= 2
        layers += [_Recurrent(width), nn.ELU(), _Convolution(width, _DEEP, _EDGE_TAPS)]
        self.encoder = nn.Sequential(*layers)
        self.spread = nn.ConvTranspose1d(_DEEP, _SPREAD, _HOP, _HOP)
        self.head = nn.Conv1d(_SPREAD, 2 + bits, 1)

    def forward(self, samples: Tensor) -> Tensor:
        """Takes samples (B, N) to (B,), in [0, 1]."""
        return (self.marked(samples) > 0.5).float().mean(dim=1)

    def marked(self, samples: Tensor) -> Tensor:
        """Takes samples (B, N) to the probability (B, N) that each is marked."""
        count = samples.shape[1]
        spread = self.spread(self.encoder(samples.unsqueeze(1)))
        logits = self.head(spread[:, :, :count])[:, :2]
        probabilities: Tensor = logits.softmax(dim=1)[:, 1]
        return probabilities


def load_audioseal(sample_rate_hz: int, path: Path | None = None) -> AudioSealReader:
    """Builds the reader and loads its weights.

    Args:
        sample_rate_hz: rate of the samples that it will read.
        path: path of the weights; None looks where AudioSeal's package or the hub puts them.

    Raises:
        UserError: if it cannot read this rate, or the weights are missing or belong to something
            else.
    """
    if sample_rate_hz != _RATE_HZ:
        raise UserError(
            f"AudioSeal's watermark cannot be read at {sample_rate_hz} Hz: serve a model of"
            f" {_RATE_HZ} Hz"
        )
    path = path or weights_of(AUDIOSEAL)
    if path.suffix == ".safetensors":
        tensors = read_safetensors(path)
    else:
        tensors, _ = state_of(_best(read_pickled(path)), path)
    renamed = _whole({_name(name): value for name, value in tensors.items()})
    last = renamed.get(_LAST)
    if last is None or last.dim() != 3 or last.shape[0] < 2:
        raise UserError(
            f"{path} has no {_LAST} of AudioSeal's detector: name detector_base.pth of its authors"
        )
    reader = AudioSealReader(last.shape[0] - 2)
    shapes = {name: value.shape for name, value in reader.state_dict().items()}
    reader.load_state_dict(
        match_tensors(renamed, shapes, path, unused=(), source="AudioSeal's detector")
    )
    return reader.eval()


def _best(content: object) -> object:
    """Returns the part of a training checkpoint that holds the best model."""
    if isinstance(content, dict) and isinstance(content.get("best_state"), dict):
        return content["best_state"]
    return content


def _name(theirs: str) -> str:
    """Turns `detector.0.model.1.block.1.conv.conv.bias` into `encoder.1.block.1.bias`."""
    for pattern, ours in _RENAMED:
        theirs = pattern.sub(ours, theirs)
    return theirs


def _whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Multiplies each direction by its length."""
    whole = {}
    for name, value in tensors.items():
        stem, _, kind = name.rpartition(".")
        if kind == "weight_v" and f"{stem}.weight_g" in tensors:
            direction = value.float()
            length = direction.flatten(1).norm(dim=1).view(-1, 1, 1)
            whole[f"{stem}.weight"] = tensors[f"{stem}.weight_g"].float() * direction / length
        elif kind != "weight_g":
            whole[name] = value
    return whole
