"""Nes2Net-X: nested Res2Nets over the channels of a backbone's frames.

Liu et al., "Nes2Net: A Lightweight Nested Architecture for Foundation Model Driven Speech
Anti-spoofing", 2025.
"""

from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Nes2NetSizes:
    """The sizes of a Nes2Net-X.

    Attributes:
        hidden: channels of the frames.
        groups: groups of channels, each but the last with a Res2Net of its own.
        width: channels of the parts into which a Res2Net splits its group.
        squeezed: channels in the bottleneck of each squeeze and excitation.
        dilation: dilation of the convolutions; it cannot be inferred from tensors.
        attentive: channels in the bottleneck of the attentive statistics; 0 takes the mean.
    """

    hidden: int
    groups: int
    width: int
    squeezed: int
    dilation: int
    attentive: int


class _Step(nn.Module):
    """One step of a Res2Net: a convolution of a part with the previous ones, and a weighted sum."""

    def __init__(self, width: int, columns: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, (3, 1), dilation=(dilation, 1), padding=(dilation, 0))
        self.bn = nn.BatchNorm2d(width)
        self.weights = nn.Parameter(torch.empty(1, 1, 1, columns))

    def forward(self, before: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """Takes (B, width, T, columns - 1) and (B, width, T, 1) to (B, width, T, columns).

        Also returns the weighted sum (B, width, T) over the columns.
        """
        x = torch.cat([before, part], dim=3)
        x = self.bn(torch.relu(self.conv(x)))
        return x, (x * self.weights).sum(dim=3)


class _Res2Net(nn.Module):
    """A bottleneck whose parts of channels are processed one after the other."""

    def __init__(self, channels: int, sizes: Nes2NetSizes) -> None:
        super().__init__()
        self.width = sizes.width
        self.parts = channels // sizes.width
        inner = self.width * self.parts
        self.conv1 = nn.Conv1d(channels, inner, 1)
        self.bn1 = nn.BatchNorm1d(inner)
        self.steps = nn.ModuleList(
            _Step(self.width, index + 2, sizes.dilation) for index in range(self.parts - 1)
        )
        self.conv3 = nn.Conv1d(inner, channels, 1)
        self.bn3 = nn.BatchNorm1d(channels)
        self.squeeze = nn.Conv1d(channels, sizes.squeezed, 1)
        self.excite = nn.Conv1d(sizes.squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, channels, T) to the same shape."""
        y = self.bn1(torch.relu(self.conv1(x)))
        parts = torch.split(y, self.width, dim=1)
        last = parts[len(parts) - 1]
        kept = last.unsqueeze(3)
        sums: list[Tensor] = []
        for index, step in enumerate(self.steps):
            kept, summed = step(kept, parts[index].unsqueeze(3))
            sums.append(summed)
        sums.append(last)
        y = self.bn3(torch.relu(self.conv3(torch.cat(sums, dim=1))))
        squeezed = torch.relu(self.squeeze(y.mean(dim=2, keepdim=True)))
        excited: Tensor = y * torch.sigmoid(self.excite(squeezed)) + x
        return excited


class _Attentive(nn.Module):
    """Mean and standard deviation of each channel over time, weighted by attention."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.linear1 = nn.Conv1d(channels, inner, 1)
        self.linear2 = nn.Conv1d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, channels, T) to (B, 2 channels)."""
        weights = self.linear2(torch.tanh(self.linear1(x))).softmax(dim=2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * x * x).sum(dim=2) - mean * mean
        return torch.cat([mean, variance.clamp(min=1e-10).sqrt()], dim=1)


class _Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, channels, T) to (B, channels)."""
        return x.mean(dim=2)


class Nes2NetX(nn.Module):
    """A head: hidden states to logits."""

    def __init__(self, sizes: Nes2NetSizes) -> None:
        super().__init__()
        channels = sizes.hidden // sizes.groups
        self.channels = channels
        self.nets = nn.ModuleList(_Res2Net(channels, sizes) for _ in range(sizes.groups - 1))
        self.bns = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(sizes.groups - 1))
        self.bn = nn.BatchNorm1d(sizes.hidden)
        attentive = sizes.attentive > 0
        self.pooling: nn.Module = (
            _Attentive(sizes.hidden, sizes.attentive) if attentive else _Mean()
        )
        self.fc = nn.Linear(2 * sizes.hidden if attentive else sizes.hidden, 2)

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes states (B, T, hidden), all of which count, to logits (B, 2)."""
        groups = torch.split(x.transpose(1, 2), self.channels, dim=1)
        y = torch.zeros_like(groups[0])
        outputs: list[Tensor] = []
        for index, (net, norm) in enumerate(zip(self.nets, self.bns)):  # noqa: B905 - TorchScript
            y = norm(torch.relu(net(y + groups[index])))
            outputs.append(y)
        outputs.append(groups[len(groups) - 1])
        y = torch.relu(self.bn(torch.cat(outputs, dim=1)))
        logits: Tensor = self.fc(self.pooling(y))
        return logits


def published_name(name: str) -> str:
    """Returns a parameter's name in the published checkpoints, after `Nested_Res2Net_TDNN.`."""
    parts = name.split(".")
    if parts[0] != "nets":
        return name
    stem, rest = f"Build_in_Res2Nets.{parts[1]}", parts[2:]
    if rest[0] == "steps":
        index, kind = rest[1], rest[2]
        lists = {"conv": "convs", "bn": "bns", "weights": "weighted_sum"}
        return ".".join([stem, lists[kind], index, *rest[3:]])
    places = {"squeeze": "se.se.1", "excite": "se.se.3"}
    return ".".join([stem, places.get(rest[0], rest[0]), *rest[1:]])
