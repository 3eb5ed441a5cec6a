"""The light CNN on transformers' own Wav2Vec2, which is what `from_pretrained` loads.

A saved folder names this class in `auto_map`, so that

    AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True)

returns the whole network, and `Wav2Vec2Model.from_pretrained(folder)` its backbone.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForAudioClassification,
    Wav2Vec2Config,
    Wav2Vec2Model,
    Wav2Vec2PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.light_cnn import LightCnn, read_light_cnn
from dfd.detector.networks.log_mel import LogMel
from dfd.detector.networks.scoring import normalized
from dfd.detector.networks.whisper_stem import WhisperStem, read_stem


class Wav2Vec2LightCnn(Wav2Vec2PreTrainedModel):  # type: ignore[no-untyped-call]
    """A Wav2Vec2 with a light CNN that classifies its last hidden states.

    The first stages of Whisper's encoder may stand beside it (`networks.whisper_stem`).
    """

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        fields = Fields(Path("config.json"), config.to_dict())
        sizes = read_light_cnn(fields, config.hidden_size)
        self.hop_samples = sizes.hop_samples
        self.light_cnn = LightCnn(sizes, config.hidden_size)
        stem = read_stem(fields, sizes.hop_samples)
        self.whisper_stem = None if stem is None else WhisperStem(stem)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_values: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Returns logits (B, 2) of windows (B, N); the mask (B, N) marks the valid samples.

        The windows must be normalised as the folder's feature extractor does it; a network that
        works hop by hop normalises each hop itself.
        """
        batch, samples = input_values.shape
        lengths = None if attention_mask is None else attention_mask.sum(dim=1)
        if not self.hop_samples:
            return SequenceClassifierOutput(
                logits=self.light_cnn(*self._states(input_values, lengths))
            )
        hop = self.hop_samples
        parts = -(-samples // hop)
        if lengths is None:
            lengths = torch.full([batch], samples, device=input_values.device)
        hops = torch.nn.functional.pad(input_values, [0, parts * hop - samples]).view(-1, hop)
        starts = torch.arange(parts, device=input_values.device) * hop
        counts = (lengths.unsqueeze(1) - starts).clamp(0, hop).view(-1)
        waves = normalized(hops, counts)
        sums = self.light_cnn.measure(*self._states(waves, counts))
        logits = self.light_cnn.judge(sums.view(batch, parts, -1))
        if self.whisper_stem is not None:
            sums = self.whisper_stem.measure(waves, counts)
            logits = logits + self.whisper_stem.judge(sums.view(batch, parts, -1))
        return SequenceClassifierOutput(logits=logits)

    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[no-untyped-call]
        if isinstance(module, LogMel):
            module.settle()

    def _states(self, waves: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        backbone: Any = self.wav2vec2
        if lengths is None:
            return backbone(waves).last_hidden_state, None
        mask = torch.arange(waves.size(1), device=waves.device) < lengths.unsqueeze(1)
        frames = backbone._get_feat_extract_output_lengths(lengths)
        return backbone(waves, attention_mask=mask.long()).last_hidden_state, frames


def load_classifier(folder: Path) -> Any:
    """Loads the classifier of a folder as transformers runs it, in evaluation mode."""
    build: Any = AutoModelForAudioClassification
    config: Any = AutoConfig.from_pretrained(folder)
    if config.architectures == [Wav2Vec2LightCnn.__name__]:
        build = Wav2Vec2LightCnn
    return build.from_pretrained(folder).eval()
