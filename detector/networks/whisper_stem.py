"""The first stages of Whisper's encoder, frozen, and a classifier on their statistics.

Both convolutions and the first layer of the encoder hear each hop by itself. The second convolution
and the layer are computed at every second of Whisper's places, at which they lie 40 ms apart. The
classifier takes the means and deviations of all three stages over a window.
"""

import math
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import Tensor, nn

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.frames import Dense, patches
from dfd.detector.networks.hops import HopScoringNetwork
from dfd.detector.networks.log_mel import BANDS, STEP, LogMel, valid_places
from dfd.detector.networks.scoring import normalized

CONFIG_KEY = "whisper_stem"
PREFIX = f"{CONFIG_KEY}."
TAPS = 3
# log-mel frames from one place of the second convolution to the next; Whisper's own are 2 apart
STRIDE = 4
STAGES = 3
VARIANCE_FLOOR = 1e-6
# A hop with more than this share of its power in so few bands of each frame is a tone, not speech.
TONE_BANDS = 10
TONE_SHARE = 0.99
# Every fourth frame is looked at first.
TONE_FRAMES = 4


@dataclass(frozen=True, slots=True)
class StemConfig:
    """The sizes of the stages, as Whisper tiny has them, and of the classifier.

    Attributes:
        states: features of each stage.
        heads: heads of the attention.
        wide: features between the two products behind the attention.
        places: longest hop, in places of the layer.
        hidden: hidden units of the classifier.
    """

    states: int = 384
    heads: int = 6
    wide: int = 1536
    places: int = 50
    hidden: int = 64

    @property
    def statistics(self) -> int:
        """Number of means and deviations."""
        return 2 * STAGES * self.states


def read_stem(fields: Fields, hop_samples: int) -> StemConfig | None:
    """Reads the stem's part of config.json; None if there is none.

    Raises:
        UserError: if it does not have the expected form, or does not fit hops of this length.
    """
    if fields.content.get(CONFIG_KEY) is None:
        return None
    found, usual = fields.nested(CONFIG_KEY), StemConfig()
    sizes = StemConfig(
        states=found.integer("states", usual.states, 1),
        heads=found.integer("heads", usual.heads, 1),
        wide=found.integer("wide", usual.wide, 1),
        places=found.integer("places", usual.places, 1),
        hidden=found.integer("hidden", usual.hidden, 1),
    )
    found.require(sizes.states % sizes.heads == 0, "states", "a multiple of heads")
    needed = -(-(hop_samples // STEP) // STRIDE)
    enough = hop_samples > 0 and sizes.places >= needed
    found.require(enough, "places", f"at least {needed} for light_cnn.hop_samples, above 0")
    return sizes


class WhisperStem(nn.Module):
    """Takes hops to sums over their frames, and the sums of a window to logits."""

    def __init__(self, config: StemConfig, columns: int = 2) -> None:
        super().__init__()
        self.config = config
        # TorchScript reads attributes, not globals
        self.step, self.stride, self.taps = STEP, STRIDE, TAPS
        self.variance_floor = VARIANCE_FLOOR
        self.tone_bands, self.tone_share = TONE_BANDS, TONE_SHARE
        self.tone_frames, self.log_power = TONE_FRAMES, 4.0 * math.log(10.0)
        self.log_mel = LogMel()
        states = config.states
        self.conv1: Any = _dense(TAPS * BANDS, states, gelu=True)
        self.conv2: Any = _dense(TAPS * states, states, gelu=True)
        self.positions = nn.Parameter(torch.zeros(config.places, states), requires_grad=False)
        self.layer = StemLayer(config)
        self.hidden = nn.Linear(config.statistics, config.hidden)
        self.classifier = nn.Linear(config.hidden, columns)

    @torch.jit.export
    def measure(self, waves: Tensor, counts: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns the sums (M, S) of hops (M, N), normalised and zero beyond their valid samples.

        These are the sums of each stage's features, those of their squares, and last the number of
        frames of the first stage, and that of the others.

        Args:
            waves: the hops.
            counts: (M,), number of valid samples of each; None means all.
        """
        frames: Optional[Tensor] = None  # noqa: UP045
        if counts is not None:
            frames = torch.div(counts, self.step, rounding_mode="floor")
        mel = self.log_mel(waves, frames)
        x = self.conv1(
            patches(nn.functional.pad(mel, [0, 0, 1, 1]), self.taps, 1)[:, : mel.size(1)]
        )
        places = (x.size(1) + self.stride - 1) // self.stride
        mask: Optional[Tensor] = None  # noqa: UP045
        first = torch.ones([x.size(0), x.size(1), 1], device=x.device)
        valid = torch.ones([x.size(0), places, 1], device=x.device)
        if frames is not None:
            first = valid_places(frames, x.size(1))
            x = x * first
            heard = torch.div(frames + self.stride - 1, self.stride, rounding_mode="floor")
            valid = valid_places(heard, places)
            mask = ((valid - 1.0) * 10_000.0).squeeze(2).unsqueeze(1).unsqueeze(1)
        # a place hears a frame, the one before it and the one after it
        around = nn.functional.pad(x, [0, 0, 1, self.stride])[:, : places * self.stride]
        y = self.conv2(patches(around, self.taps, self.stride))
        z = self.layer(y + self.positions[:places], mask)
        stages = [(x, first), (y, valid), (z, valid)]
        # products are faster sums than sums, and leave out what does not count
        sums = [torch.bmm(count.transpose(1, 2), one).squeeze(1) for one, count in stages]
        squares = [torch.bmm(count.transpose(1, 2), one * one).squeeze(1) for one, count in stages]
        found = torch.cat(sums + squares + [first.sum(dim=1), valid.sum(dim=1)], dim=1)
        return found.masked_fill(self.is_tone(mel).unsqueeze(1), 0.0)

    def is_tone(self, mel: Tensor) -> Tensor:
        """Returns bool (M,): whether a hop of log-mel frames (M, T, BANDS) is tones or silence.

        The stages know only speech, and so would take dialled digits or a ringing tone for a voice.
        """
        # what the spectrogram scaled, as power again; its padding and floor weigh nothing
        power = torch.exp((mel - 1.0) * self.log_power)
        allowed = (1.0 - self.tone_share) * power.sum(dim=2).sum(dim=1)
        if not torch.jit.is_scripting() or mel.is_cuda:  # type: ignore[attr-defined]
            return self.outside(power) <= allowed
        # what some of the frames have outside of ten bands is too much already for nine in ten hops
        found = self.outside(power[:, :: self.tone_frames]) <= 1.01 * allowed
        rows = found.nonzero()[:, 0]
        found[rows] = self.outside(power[rows]) <= allowed[rows]
        return found

    def outside(self, power: Tensor) -> Tensor:
        """Returns the power (M,) outside of the strongest bands of each frame (M, T, BANDS)."""
        bands = power.topk(self.tone_bands, dim=2, sorted=False)[0]
        return (power.sum(dim=2) - bands.sum(dim=2)).sum(dim=1)

    @torch.jit.export
    def statistics(self, total: Tensor) -> Tensor:
        """Returns the means and deviations (B, 2 * STAGES * states) of the sums (B, S)."""
        values, squares = total[:, :-2].chunk(2, dim=1)
        many = values.size(1) // 3
        first = total[:, -2:-1].clamp(min=1.0).expand(-1, many)
        others = total[:, -1:].clamp(min=1.0).expand(-1, 2 * many)
        count = torch.cat([first, others], dim=1)
        mean = values / count
        variance = squares / count - mean * mean
        return torch.cat([mean, variance.clamp(min=self.variance_floor).sqrt()], dim=1)

    @torch.jit.export
    def judge(self, sums: Tensor) -> Tensor:
        """Takes the sums (B, parts, S) of each window's parts to logits (B, columns)."""
        total = sums.sum(dim=1)
        x = self.hidden(self.statistics(total))
        logits: Tensor = self.classifier(nn.functional.gelu(x))
        # without speech there is nothing to say
        return logits * (total[:, -1:] > 0.0)


class StemLayer(nn.Module):
    """A layer of Whisper's encoder."""

    def __init__(self, config: StemConfig) -> None:
        super().__init__()
        states = config.states
        self.heads = config.heads
        self.norm = nn.LayerNorm(states)
        self.inputs: Any = _dense(states, 3 * states)
        self.output: Any = _dense(states, states)
        self.last_norm = nn.LayerNorm(states)
        self.wide: Any = _dense(states, config.wide, gelu=True)
        self.narrow: Any = _dense(config.wide, states)

    def forward(self, x: Tensor, mask: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes (B, T, states) to (B, T, states); `mask` (B, 1, 1, T) is added to the attention."""
        batch, places, states = x.size(0), x.size(1), x.size(2)
        split = self.inputs(self.norm(x)).view(batch, places, 3, self.heads, states // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.output(found.transpose(1, 2).reshape(batch, places, states))
        after: Tensor = x + self.narrow(self.wide(self.last_norm(x)))
        return after


class StemScoringNetwork(HopScoringNetwork):
    """Adds the logits of a stem to those of the head.

    Args:
        parts, options: arguments of `HopScoringNetwork`.
        stem: takes the same hops.
    """

    def __init__(self, *parts: Any, stem: WhisperStem, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.stem = stem
        self.stem_sums = stem.hidden.in_features + 2
        self.eval()

    @torch.jit.export
    def measure(self, hops: Tensor, counts: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns the sums (M, S) of parts (M, hop) with `counts` (M,) valid samples."""
        states, frames = self.states(self.features(hops, counts), counts)
        head: Any = self.head
        heard = self.stem.measure(normalized(hops, counts, self.variance_floor), counts)
        return torch.cat([head.measure(states, frames), heard], dim=1)

    @torch.jit.export
    def join(self, sums: Tensor) -> Tensor:
        """Returns log-odds (B,) of the sums (B, H, S) of each window's parts."""
        stem, others = self.apart(sums)
        return self.odds(stem + others)

    @torch.jit.export
    def apart(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (B, 2) of the stem, and of the head, of the sums (B, H, S)."""
        head: Any = self.head
        stem = self.stem.judge(sums[:, :, -self.stem_sums :])
        return stem, head.judge(sums[:, :, : -self.stem_sums])


def _dense(inputs: int, outputs: int, *, gelu: bool = False) -> Dense:
    return Dense(torch.zeros(outputs, inputs), torch.zeros(outputs), gelu=gelu)
