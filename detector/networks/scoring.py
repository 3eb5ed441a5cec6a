"""The whole network, from samples to spoof log-odds, in a form that TorchScript compiles."""

from typing import Any, Optional

import torch
from torch import Tensor, nn
from torchaudio.models import Wav2Vec2Model

from dfd.detector.networks.backbone import BackboneConfig
from dfd.detector.networks.encoders.speech import SpeechBackbone
from dfd.detector.networks.first_layer import MaskedFirstLayer

# the value that transformers' Wav2Vec2FeatureExtractor adds to the variance
VARIANCE_FLOOR = 1e-7


def normalized(
    x: Tensor,
    lengths: Optional[Tensor],  # noqa: UP045 - TorchScript
    variance_floor: float = VARIANCE_FLOOR,
) -> Tensor:
    """Normalises windows (B, N) to zero mean and unit variance over their valid samples.

    Args:
        x: the windows.
        lengths: (B,), number of valid samples of each; None means all.
        variance_floor: value added to the variance.
    """
    if lengths is None:
        x = x - x.mean(dim=-1, keepdim=True)
        return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + variance_floor)
    count = lengths.clamp(min=1).unsqueeze(-1)
    valid = (torch.arange(x.size(1), device=x.device).unsqueeze(0) < count).to(x.dtype)
    mean = (x * valid).sum(dim=-1, keepdim=True) / count
    x = (x - mean) * valid
    return x / torch.sqrt((x * x).sum(dim=-1, keepdim=True) / count + variance_floor)


def parts_of(backbone: Wav2Vec2Model | SpeechBackbone) -> tuple[Any, Any, Any]:
    """Returns the extractor, projection and encoder of a backbone."""
    if isinstance(backbone, SpeechBackbone):
        return backbone.feature_extractor, backbone.feature_projection, backbone.encoder
    encoder: Any = backbone.encoder
    return backbone.feature_extractor, encoder.feature_projection, encoder.transformer


class ScoringNetwork(nn.Module):
    """Normalises windows, runs the backbone and the head, and computes log-odds.

    The backbone may be in half precision; statistics of the samples, pooling and head stay in
    float32.

    Args:
        backbone: see `dfd.detector.networks.backbone`.
        config: its sizes.
        head: takes the hidden states (B, T, hidden) and the number of valid ones (B,), or None, to
            logits (B, 2); see `dfd.detector.networks.head`.
        layer_weights: weights (layers + 1,) of all hidden states, embedding first, whose sum the
            head takes; None means that it takes the last one.
        spoof_column: the logit that means spoof, 0 or 1.
        normalize: whether each window is brought to zero mean and unit variance over its valid
            samples, as transformers computes them.
        mask: whether samples beyond a window's length are hidden from the network, so that the
            window scores as if it were alone and not padded; otherwise the network sees zeros.
        gate: a module applied to each layer's states, whose sum the head takes; None means that
            there is none.
        variance_floor: value added to a window's variance.
    """

    layer_weights: Tensor

    def __init__(
        self,
        backbone: Wav2Vec2Model | SpeechBackbone,
        config: BackboneConfig,
        head: nn.Module,
        *,
        layer_weights: Tensor | None,
        spoof_column: int,
        normalize: bool,
        mask: bool,
        gate: nn.Module | None = None,
        variance_floor: float = VARIANCE_FLOOR,
    ) -> None:
        super().__init__()
        self.feature_extractor, self.feature_projection, self.transformer = parts_of(backbone)
        # filterbanks take samples in float32, whatever the precision of the rest
        self.halves_samples = not getattr(self.feature_extractor, "laid_out", False)
        # a faster equivalent of the extractor; `frames.lay_out` replaces the extractor by it
        self.short_extractor: nn.Module | None = None
        if mask and config.feat_extract_norm == "group":
            first = MaskedFirstLayer(self.feature_extractor.conv_layers[0])
            self.feature_extractor.conv_layers[0] = first
        self.head = head
        states = config.num_hidden_layers + 1
        self.weighted = layer_weights is not None
        weights = torch.zeros(states) if layer_weights is None else layer_weights.softmax(dim=-1)
        self.register_buffer("layer_weights", weights)
        self.kernels = list(config.conv_kernel)
        self.strides = list(config.conv_stride)
        # in the "stable" layout the norm follows the last layer, otherwise it precedes the first
        self.norm_last = config.do_stable_layer_norm
        self.spoof_column = spoof_column
        self.gated = gate is not None
        self.gate = nn.Identity() if gate is None else gate
        self.variance_floor = variance_floor
        self.normalize = normalize
        self.mask = mask
        self.eval()

    # TorchScript reads this annotation and supports `Optional`, not `|`.
    def forward(self, windows: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Scores a batch.

        Args:
            windows: float32 (B, N), full scale 1.0, zero beyond each length.
            lengths: int64 (B,), number of valid samples of each; None means all, and is faster.

        Returns:
            float32 (B,): the logit of spoof minus the logit of bona fide.
        """
        return self.judge(self.features(windows, lengths), lengths)

    @torch.jit.export
    def features(self, windows: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns the extractor's frames (B, T, C); the arguments are those of `forward`."""
        x = windows
        if self.normalize:
            x = normalized(x, lengths, self.variance_floor)
        dtype = self.feature_projection.projection.weight.dtype
        if self.halves_samples:
            x = x.to(dtype)
        frames: Tensor = self.feature_extractor(x, lengths if self.mask else None)[0]
        return frames.to(dtype)

    @torch.jit.export
    def judge(self, x: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns log-odds (B,) of the extractor's frames (B, T, C)."""
        states, frames = self.states(x, lengths)
        return self.odds(self.head(states, frames))

    @torch.jit.export
    def odds(self, logits: Tensor) -> Tensor:
        """Returns log-odds (B,) of logits (B, 2)."""
        return logits[:, self.spoof_column] - logits[:, 1 - self.spoof_column]

    @torch.jit.export
    def states(
        self,
        x: Tensor,
        lengths: Optional[Tensor],  # noqa: UP045
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Returns the head's input (B, T, hidden), and the number of valid states (B,), or None."""
        x = self.feature_projection(x)

        frames: Optional[Tensor] = None  # noqa: UP045
        attention_mask: Optional[Tensor] = None  # noqa: UP045
        if self.mask and lengths is not None:
            frames = self._frame_count(lengths)
            places = torch.arange(x.size(1), device=x.device).unsqueeze(0)
            # (B, frames), 1 for frames that contain only audio
            valid = (places < frames.unsqueeze(1)).to(x.dtype)
            x = x * valid.unsqueeze(-1)
            hidden = (valid - 1.0) * 10_000.0
            attention_mask = hidden[:, None, None, :].expand(x.size(0), 1, x.size(1), x.size(1))

        x = self.transformer._preprocess(x)
        total = x.float()
        if self.weighted:
            total = total * self.layer_weights[0]
        if self.gated:
            total = torch.zeros_like(total)
        for index, layer in enumerate(self.transformer.layers):
            x = layer(x, attention_mask)[0]
            if self.weighted:
                total = total + x.float() * self.layer_weights[index + 1]
            if self.gated:
                total = total + self.gate(x.float())
        if not self.weighted and not self.gated:
            total = (self.transformer.layer_norm(x) if self.norm_last else x).float()
        return total, frames

    def _frame_count(self, lengths: Tensor) -> Tensor:
        count = lengths
        for kernel, stride in zip(self.kernels, self.strides):  # noqa: B905 - TorchScript
            count = torch.div(count - kernel, stride, rounding_mode="floor") + 1
        return count
