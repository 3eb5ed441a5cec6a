"""Backbones that torchaudio does not have, under transformers' names.

Each has what `ScoringNetwork` uses of a backbone: an extractor of frames, a projection, and an
encoder whose layers take states and a mask that is added to the attention.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import BackboneConfig
from dfd.detector.networks.encoders import conformer, data2vec, w2v_bert, wavlm
from dfd.detector.networks.encoders.speech import SpeechBackbone

__all__ = ["FAMILIES", "Family", "SpeechBackbone"]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of backbone.

    Attributes:
        prefix: of its names in a classifier's file.
        read: its sizes, from config.json.
        build: an empty backbone of these sizes.
        hears_samples: whether it hears samples, which may be normalised; otherwise filterbanks.
        projected: default width of a classifier's projection.
    """

    prefix: str
    read: Callable[[Fields], BackboneConfig]
    build: Callable[[BackboneConfig, Fields], SpeechBackbone]
    hears_samples: bool = True
    projected: int = 256


# by the name of the classifier
FAMILIES = {
    "WavLMForSequenceClassification": Family("wavlm.", wavlm.read, wavlm.build),
    "Data2VecAudioForSequenceClassification": Family(
        "data2vec_audio.", data2vec.read, data2vec.build
    ),
    "Wav2Vec2ConformerForSequenceClassification": Family(
        "wav2vec2_conformer.", conformer.read, conformer.build
    ),
    "Wav2Vec2BertForSequenceClassification": Family(
        "wav2vec2_bert.", w2v_bert.read, w2v_bert.build, hears_samples=False, projected=768
    ),
}
