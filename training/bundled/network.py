"""The bundled detector's network: a Wav2Vec2 whose convolutions are trained as a CNN.

``build_network`` makes it in the form for training, with a ``TiedExtractor`` as feature
extractor; ``plain`` writes that out as a ``Wav2Vec2ForSequenceClassification`` which
``from_pretrained`` loads.

Batch normalisation has no statistics of its own when scoring, so a zero-padded window with its
attention mask scores exactly as the shorter waveform alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dfd.training.bundled.extractor import ExtractorOptions, TiedExtractor
from dfd.training.bundled.unroll import unroll

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForSequenceClassification


@dataclass(frozen=True)
class NetworkOptions:
    """Sizes of the extractor, the transformer and the head."""

    extractor: ExtractorOptions = field(default_factory=ExtractorOptions)
    hidden: int = 128
    layers: int = 1
    heads: int = 4
    feed_forward: int = 256
    position_taps: int = 15
    position_groups: int = 8
    pooled: int = 128
    feature_dropout: float = 0.2
    dropout: float = 0.1


def build_network(options: NetworkOptions) -> Wav2Vec2ForSequenceClassification:
    """A new network in its training form, random from torch's global generator."""
    model = _transformers_network(options)
    model.wav2vec2.feature_extractor = TiedExtractor(options.extractor)
    made: Wav2Vec2ForSequenceClassification = model
    return made


def plain(
    network: Wav2Vec2ForSequenceClassification, options: NetworkOptions
) -> Wav2Vec2ForSequenceClassification:
    """The same network in the transformers format, on the CPU, for scoring."""
    tied: Any = copy.deepcopy(network)
    tied.cpu().eval()
    made = _transformers_network(options)
    made.eval()
    unroll(tied.wav2vec2.feature_extractor, made.wav2vec2.feature_extractor.conv_layers)
    tied.wav2vec2.feature_extractor = made.wav2vec2.feature_extractor
    result: Wav2Vec2ForSequenceClassification = tied
    return result


def _transformers_network(options: NetworkOptions) -> Any:
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    extractor = options.extractor
    make_config: Any = Wav2Vec2Config
    config = make_config(
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=options.feed_forward,
        hidden_dropout=options.dropout,
        activation_dropout=0.0,
        attention_dropout=0.0,
        feat_proj_dropout=options.feature_dropout,
        final_dropout=options.dropout,
        layerdrop=0.0,
        feat_extract_norm="layer",
        conv_bias=True,
        conv_dim=extractor.channels,
        conv_kernel=extractor.kernels,
        conv_stride=extractor.strides,
        num_feat_extract_layers=len(extractor.channels),
        num_conv_pos_embeddings=options.position_taps,
        num_conv_pos_embedding_groups=options.position_groups,
        do_stable_layer_norm=True,
        apply_spec_augment=False,
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
        classifier_proj_size=options.pooled,
        use_weighted_layer_sum=False,
        num_labels=2,
        id2label={0: "bonafide", 1: "spoof"},
        label2id={"bonafide": 0, "spoof": 1},
    )
    return Wav2Vec2ForSequenceClassification(config)
