"""Wav2Vec2-BERT 2.0: conformers on log-mel filterbanks (Seamless Communication, 2023)."""

from typing import Optional

import torch
from torch import Tensor, nn

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import BackboneConfig
from dfd.detector.networks.encoders.conformer import Layer, read_sizes
from dfd.detector.networks.encoders.speech import Encoder, Projection, SpeechBackbone

BANDS, FRAME, HOP, PAIRED = 80, 400, 160, 2
_FFT = 512
_RATE = 16_000
_LOWEST_HZ = 20.0


class Filterbanks(nn.Module):
    """Log-mel filterbanks as in Kaldi, each band normalised over the window, in pairs of frames.

    They stay in float32, whatever the precision of the network.
    """

    laid_out = True
    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        hann = torch.hann_window(FRAME, periodic=False, dtype=torch.float64)
        self.register_buffer("window", hann.pow(0.85).float(), persistent=False)
        self.register_buffer("filters", _mel_filters().float(), persistent=False)
        self.stride = HOP * PAIRED

    def forward(
        self,
        x: Tensor,
        lengths: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes samples (B, N), with their valid numbers (B,), to (B, T, 160)."""
        frames = x.float().unfold(1, 400, 160) * 32768.0
        frames = frames - frames.mean(dim=2, keepdim=True)
        before = torch.cat([frames[:, :, :1], frames[:, :, :-1]], dim=2)
        frames = (frames - 0.97 * before) * self.window.float()
        power = torch.fft.rfft(frames, n=512).abs().square()
        bands = torch.log(
            torch.matmul(power, self.filters.float()).clamp(min=1.192092955078125e-07)
        )
        bands = self.normalised(bands, lengths)
        pairs = bands.size(1) // 2
        return bands[:, : 2 * pairs].reshape(bands.size(0), pairs, -1), None

    def normalised(self, bands: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Normalises each band (B, F, 80) to zero mean and unit variance over the valid frames."""
        if lengths is None:
            centred = bands - bands.mean(dim=1, keepdim=True)
            variance = centred.square().sum(dim=1, keepdim=True) / (bands.size(1) - 1)
            return centred / torch.sqrt(variance + 1e-7)
        count = (torch.div(lengths - 400, 160, rounding_mode="floor") + 1).view(-1, 1, 1)
        places = torch.arange(bands.size(1), device=bands.device).view(1, -1, 1)
        valid = (places < count).to(bands.dtype)
        mean = (bands * valid).sum(dim=1, keepdim=True) / count
        centred = (bands - mean) * valid
        variance = centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)
        return centred / torch.sqrt(variance + 1e-7)


def _mel_filters() -> Tensor:
    """Returns Kaldi's triangular filters (frequencies, bands)."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    bins = _FFT // 2 + 1
    places = mel(torch.arange(bins, dtype=torch.float64) * (_RATE / _FFT)).unsqueeze(1)
    ends = mel(torch.tensor([_LOWEST_HZ, _RATE / 2], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), BANDS + 2, dtype=torch.float64)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (places - left) / (middle - left)
    falling = (right - places) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0.0)


def read(fields: Fields) -> BackboneConfig:
    """Reads the sizes; a frame of samples and a pair of frames are described as convolutions.

    Raises:
        UserError: if it is not a Wav2Vec2-BERT, or has a part that is not supported.
    """
    fields.text("model_type", "", ("wav2vec2-bert",))
    fields.require(not fields.flag("add_adapter", False), "add_adapter", "false")
    inner = "use_intermediate_ffn_before_adapter"
    fields.require(not fields.flag(inner, False), inner, "false")
    width = fields.integer("feature_projection_input_dim", BANDS * PAIRED, 1)
    fields.require(width == BANDS * PAIRED, "feature_projection_input_dim", f"{BANDS * PAIRED}")
    hidden = fields.integer("hidden_size", 1024, 1)
    heads = fields.integer("num_attention_heads", 16, 1)
    fields.require(
        hidden % heads == 0, "num_attention_heads", f"a divisor of hidden_size, {hidden}"
    )
    return BackboneConfig(
        feat_extract_norm="layer",
        conv_dim=(BANDS, width),
        conv_kernel=(FRAME, PAIRED),
        conv_stride=(HOP, PAIRED),
        conv_bias=False,
        hidden_size=hidden,
        num_hidden_layers=fields.integer("num_hidden_layers", 24, 0),
        num_attention_heads=heads,
        intermediate_size=fields.integer("intermediate_size", 4096, 1),
        num_conv_pos_embeddings=1,
        num_conv_pos_embedding_groups=1,
        do_stable_layer_norm=False,
        layer_norm_eps=fields.number("layer_norm_eps", 1e-5, 0.0, 1.0),
    )


def build(config: BackboneConfig, fields: Fields) -> SpeechBackbone:
    """Builds an empty Wav2Vec2-BERT."""
    sizes = read_sizes(fields, causal=True)
    epsilon = config.layer_norm_eps
    layers: list[nn.Module] = [
        Layer(config, sizes, epsilon) for _ in range(config.num_hidden_layers)
    ]
    projection = Projection(BANDS * PAIRED, config.hidden_size, epsilon)
    return SpeechBackbone(Filterbanks(), projection, Encoder(layers, None, None, norm_first=False))
