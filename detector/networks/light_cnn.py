"""A light CNN as the head of a Wav2Vec2: it treats the hidden states as an image.

Wang and Yamagishi (Odyssey 2022) put a light CNN on a Wav2Vec2 for spoofing detection, Lavrentyeva
et al. (Interspeech 2019) on spectrograms. Max pooling keeps small local artefacts that a mean over
frames averages out.
"""

from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import Tensor, nn

from dfd.detector.jsonfile import Fields

CONFIG_KEY = "light_cnn"
# lower bound of the variance of a projected feature over time
VARIANCE_FLOOR = 1e-5


@dataclass(frozen=True, slots=True)
class Stage:
    """A convolution over frames and features, followed by max pooling and GELU.

    The convolution is padded with zeros over features but not over frames, so that no output
    depends on what follows a short window.

    Attributes:
        maps: number of output maps.
        frame_taps, feature_taps: size of the kernel; the latter is odd.
        frame_stride: stride over frames.
        frame_pool, feature_pool: size of the max pooling.
    """

    maps: int
    frame_taps: int = 3
    feature_taps: int = 3
    frame_stride: int = 1
    frame_pool: int = 1
    feature_pool: int = 1


MEAN, STATISTICS = "mean", "statistics"
POOLINGS = (MEAN, STATISTICS)


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several CNNs on the same states.

    Attributes:
        stages: its stages, in order.
        projected: size of the layer before the classifier.
        pooling: "mean" projects the mean frame; "statistics" projects each frame, and the
            classifier takes the mean and standard deviation over frames.
    """

    stages: tuple[Stage, ...]
    projected: int = 64
    pooling: str = MEAN

    def features(self, hidden: int) -> int:
        """Returns how many of the backbone's `hidden` features are left after the last stage."""
        for stage in self.stages:
            hidden //= stage.feature_pool
        return hidden

    @property
    def least_frames(self) -> int:
        """The fewest frames of the backbone that give one frame of the last stage."""
        frames = 1
        for stage in reversed(self.stages):
            frames = (frames * stage.frame_pool - 1) * stage.frame_stride + stage.frame_taps
        return frames


@dataclass(frozen=True, slots=True)
class LightCnnConfig:
    """The sizes of the head.

    Attributes:
        branches: the branches, whose logits are added up.
        hop_samples: length of the parts that the network processes one by one, each normalised
            separately, before it joins the results; 0 processes the whole window at once.
    """

    branches: tuple[Branch, ...]
    hop_samples: int = 0

    @property
    def least_frames(self) -> int:
        """The fewest frames of the backbone that give every branch one."""
        return max(branch.least_frames for branch in self.branches)


def read_light_cnn(fields: Fields, hidden: int) -> LightCnnConfig:
    """Reads the head's part of config.json: `{"branches": [{"stages": [...], ...}], ...}`.

    Raises:
        UserError: if it does not have this form, or pools all `hidden` features away.
    """
    found = fields.nested(CONFIG_KEY)
    branches = tuple(_read_branch(one, hidden) for one in found.objects("branches"))
    found.require(bool(branches), "branches", "at least one")
    return LightCnnConfig(branches, found.integer("hop_samples", 0, 0))


def _read_branch(fields: Fields, hidden: int) -> Branch:
    stages = []
    for one in fields.objects("stages"):
        stage = Stage(
            maps=one.integer("maps", 0, 1),
            frame_taps=one.integer("frame_taps", 3, 1),
            feature_taps=one.integer("feature_taps", 3, 1),
            frame_stride=one.integer("frame_stride", 1, 1),
            frame_pool=one.integer("frame_pool", 1, 1),
            feature_pool=one.integer("feature_pool", 1, 1),
        )
        one.require(stage.feature_taps % 2 == 1, "feature_taps", "odd")
        stages.append(stage)
    pooling = fields.text("pooling", MEAN, POOLINGS)
    branch = Branch(tuple(stages), fields.integer("projected", 64, 1), pooling)
    fields.require(bool(stages), "stages", "at least one")
    fields.require(
        branch.features(hidden) > 0, "stages", f"stages that pool {hidden} features to at least one"
    )
    return branch


class LightCnn(nn.Module):
    """Takes hidden states to logits.

    The results of a window's parts can be added up: `measure` takes the states of a part to sums,
    and `judge` takes the sums of all parts to logits.

    Args:
        config: its sizes.
        hidden: features of a hidden state.
        columns: number of logits.
    """

    def __init__(self, config: LightCnnConfig, hidden: int, columns: int = 2) -> None:
        super().__init__()
        self.branches: Any = nn.ModuleList(
            BranchLayers(branch, hidden, columns) for branch in config.branches
        )

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes states (B, T, hidden) to logits (B, columns).

        Only the first `frames` (B,) of each window count; None means all of them.
        """
        return self.judge(self.measure(x, frames).unsqueeze(1))

    @torch.jit.export
    def measure(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns the sums (B, S) of all branches, concatenated."""
        sums: list[Tensor] = []
        for branch in self.branches:
            sums.append(branch(x, frames))  # noqa: PERF401 - TorchScript
        return torch.cat(sums, dim=1)

    @torch.jit.export
    def judge(self, sums: Tensor) -> Tensor:
        """Takes the sums (B, parts, S) to logits (B, columns)."""
        total = sums.sum(dim=1)
        logits = torch.zeros([total.size(0), 1], dtype=total.dtype, device=total.device)
        at = 0
        for branch in self.branches:
            logits = logits + branch.judge(total[:, at : at + branch.sums])
            at += branch.sums
        return logits


class BranchLayers(nn.Module):
    """One branch: the part up to the sums over frames, and from there to logits."""

    def __init__(self, branch: Branch, hidden: int, columns: int) -> None:
        super().__init__()
        self.strides = [stage.frame_stride for stage in branch.stages]
        self.taps = [stage.frame_taps for stage in branch.stages]
        self.pools = [stage.frame_pool for stage in branch.stages]
        self.stages = nn.ModuleList()
        maps = 1
        for stage in branch.stages:
            self.stages.append(StageLayer(stage, maps))
            maps = stage.maps
        self.by_frame = branch.pooling == STATISTICS
        # TorchScript reads attributes, not globals
        self.variance_floor = VARIANCE_FLOOR
        found = maps * branch.features(hidden)
        self.projector = nn.Linear(found, branch.projected)
        self.classifier = nn.Linear(branch.projected * (2 if self.by_frame else 1), columns)
        self.sums = (2 * branch.projected if self.by_frame else found) + 1

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Returns sums (B, S) over the valid frames; the last is their number."""
        # one map, in the channels-last layout
        x = x.unsqueeze(3).permute(0, 3, 1, 2)
        for stage in self.stages:
            x = stage(x)
        # maps last, as in memory: (B, T', features' * maps)
        x = x.permute(0, 2, 3, 1).flatten(2)
        if self.by_frame:
            x = nn.functional.gelu(self.projector(x))
            x = torch.cat([x, x * x], dim=2)
        if frames is None:
            count = torch.full([x.size(0), 1], float(x.size(1)), dtype=x.dtype, device=x.device)
            return torch.cat([x.sum(dim=1), count], dim=1)
        for taps, stride, pool in zip(self.taps, self.strides, self.pools):  # noqa: B905
            frames = torch.div(frames - taps, stride, rounding_mode="floor") + 1
            frames = torch.div(frames, pool, rounding_mode="floor")
        frames = frames.clamp(min=0).unsqueeze(1)
        valid = torch.arange(x.size(1), device=x.device).unsqueeze(0) < frames
        return torch.cat([(x * valid.unsqueeze(2)).sum(dim=1), frames.to(x.dtype)], dim=1)

    @torch.jit.export
    def judge(self, total: Tensor) -> Tensor:
        """Takes the sums of all parts (B, S) to logits (B, columns)."""
        mean = total[:, :-1] / total[:, -1:].clamp(min=1.0)
        if self.by_frame:
            level, square = mean.chunk(2, dim=1)
            spread = (square - level * level).clamp(min=self.variance_floor).sqrt()
            logits: Tensor = self.classifier(torch.cat([level, spread], dim=1))
        else:
            logits = self.classifier(nn.functional.gelu(self.projector(mean)))
        return logits


class StageLayer(nn.Module):
    """One stage."""

    def __init__(self, stage: Stage, maps: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            maps,
            stage.maps,
            (stage.frame_taps, stage.feature_taps),
            (stage.frame_stride, 1),
            padding=(0, stage.feature_taps // 2),
        )
        # twice as fast on a CPU as the default layout
        self.conv.weight = nn.Parameter(
            self.conv.weight.detach().contiguous(memory_format=torch.channels_last)
        )
        self.frame_pool = stage.frame_pool
        self.feature_pool = stage.feature_pool

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, C, T, F), maps last in memory, to (B, C', T', F'), likewise."""
        x = self.conv(x)
        x = largest(x, self.frame_pool, 2)
        x = largest(x, self.feature_pool, 3)
        # with maps last it is contiguous, for which GELU is faster
        return nn.functional.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def largest(x: Tensor, pool: int, dimension: int) -> Tensor:
    """Returns the maximum of every `pool` values along frames (2) or features (3) of (B, C, T, F).

    `max_pool2d` takes three times as long for the usual pools of two.
    """
    if pool == 1:
        return x
    whole = x.size(dimension) // pool * pool
    found = _every(x, dimension, 0, whole, pool)
    for place in range(1, pool):
        found = torch.maximum(found, _every(x, dimension, place, whole, pool))
    return found


def _every(x: Tensor, dimension: int, first: int, end: int, step: int) -> Tensor:
    return x[:, :, first:end:step] if dimension == 2 else x[:, :, :, first:end:step]
