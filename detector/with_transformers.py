"""The light CNN behind transformers' own Wav2Vec2: what `from_pretrained` loads.

A saved folder names this class under `auto_map`, so that

    AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True)

gives the whole network, and `Wav2Vec2Model.from_pretrained(folder)` its backbone.
"""

from pathlib import Path
from typing import Any

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


class Wav2Vec2LightCnn(Wav2Vec2PreTrainedModel):  # type: ignore[no-untyped-call]
    """A Wav2Vec2 whose last hidden states a light CNN classifies."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        sizes = read_light_cnn(Fields(Path("config.json"), config.to_dict()), config.hidden_size)
        self.light_cnn = LightCnn(sizes, config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_values: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits (B, 2) of normalised windows (B, N), of which the mask (B, N) says what counts."""
        backbone: Any = self.wav2vec2
        states = backbone(input_values, attention_mask=attention_mask).last_hidden_state
        frames = None
        if attention_mask is not None:
            frames = backbone._get_feat_extract_output_lengths(attention_mask.sum(dim=1))
        return SequenceClassifierOutput(logits=self.light_cnn(states, frames))


def load_classifier(folder: Path) -> Any:
    """The classifier of a folder as transformers runs it, in evaluation mode."""
    build: Any = AutoModelForAudioClassification
    config: Any = AutoConfig.from_pretrained(folder)
    if config.architectures == [Wav2Vec2LightCnn.__name__]:
        build = Wav2Vec2LightCnn
    return build.from_pretrained(folder).eval()
