"""Families of backbones, by the classifiers that transformers has on them.

torchaudio builds those that are a wav2vec 2.0; the modules of this package build the others, under
transformers' names. Each has what `ScoringNetwork` uses of a backbone: an extractor of frames, a
projection, and an encoder whose layers take states and a mask that is added to the attention.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import (
    BackboneConfig,
    backbone_shapes,
    empty_backbone,
    fill_backbone,
    read_config,
)
from dfd.detector.networks.encoders import conformer, data2vec, w2v_bert, wavlm
from dfd.detector.networks.encoders.speech import SpeechBackbone

__all__ = ["FAMILIES", "WAV2VEC2", "Family", "SpeechBackbone"]

WAV2VEC2 = "Wav2Vec2ForSequenceClassification"


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of backbone.

    Attributes:
        prefix: prefix of its tensors' names in a classifier's file.
        read: reads its sizes from config.json.
        build: makes an empty backbone of these sizes.
        takes_samples: whether it takes samples, which may be normalised; otherwise filterbanks.
        projected: default width of a classifier's projection.
        shapes: gives the size of every tensor that a backbone needs, by name.
        fill: puts these tensors into a backbone.
    """

    prefix: str
    read: Callable[[Fields], BackboneConfig]
    build: Callable[[BackboneConfig, Fields], Any]
    takes_samples: bool = True
    projected: int = 256
    shapes: Callable[[Any], dict[str, torch.Size]] = SpeechBackbone.shapes
    fill: Callable[[Any, Mapping[str, Tensor]], None] = SpeechBackbone.fill


def _by_torchaudio(prefix: str) -> Family:
    return Family(
        prefix,
        read_config,
        lambda config, _: empty_backbone(config),
        shapes=backbone_shapes,
        fill=fill_backbone,
    )


# by the name of the classifier
FAMILIES = {
    WAV2VEC2: _by_torchaudio("wav2vec2."),
    "HubertForSequenceClassification": _by_torchaudio("hubert."),
    "UniSpeechSatForSequenceClassification": _by_torchaudio("unispeech_sat."),
    "WavLMForSequenceClassification": Family("wavlm.", wavlm.read, wavlm.build),
    "Data2VecAudioForSequenceClassification": Family(
        "data2vec_audio.", data2vec.read, data2vec.build
    ),
    "Wav2Vec2ConformerForSequenceClassification": Family(
        "wav2vec2_conformer.", conformer.read, conformer.build
    ),
    "Wav2Vec2BertForSequenceClassification": Family(
        "wav2vec2_bert.", w2v_bert.read, w2v_bert.build, takes_samples=False, projected=768
    ),
}
