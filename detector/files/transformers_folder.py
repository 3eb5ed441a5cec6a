"""Reads classifiers that transformers' `save_pretrained` wrote.

These are the `...ForSequenceClassification` of Wav2Vec2, HuBERT, UniSpeech-SAT, WavLM,
data2vec-audio, Wav2Vec2-Conformer and Wav2Vec2-BERT, or a Wav2Vec2 with a light CNN, which
transformers can load too by the code next to the bundled weights.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfd.detector.files.bundled import passes_for_bundled
from dfd.detector.files.card import CardDefaults, read_card
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.folder_files import CONFIG, PREPROCESSOR, read_tensors, weight_files
from dfd.detector.files.labels import spoof_column
from dfd.detector.files.tensors import digest, match_tensors
from dfd.detector.jsonfile import Fields, read_object
from dfd.detector.networks.backbone import (
    COMPUTED,
    TRAINING_ONLY,
    BackboneConfig,
    fold_position_norm,
)
from dfd.detector.networks.encoders import FAMILIES, WAV2VEC2, Family
from dfd.detector.networks.head import OnMean, ProjectedMaxHead, ProjectedMeanHead
from dfd.detector.networks.hops import HopScoringNetwork
from dfd.detector.networks.light_cnn import LightCnn, read_light_cnn
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.networks.spectrogram import CONFIG_KEY as SPECTROGRAM
from dfd.detector.networks.spectrogram import (
    SAMPLE_RATE_HZ,
    SpectrogramExtractor,
    SpectrogramOptions,
    read_spectrogram,
)
from dfd.detector.networks.whisper_stem import (
    PREFIX as STEM_PREFIX,
)
from dfd.detector.networks.whisper_stem import (
    StemScoringNetwork,
    WhisperStem,
    read_stem,
)
from dfd.detector.overrides import ModelOverrides
from dfd.detector.signals import probe_signals
from dfd.errors import UserError

_LOGGER = logging.getLogger("dfd.detector")

LIGHT_CNN_ARCHITECTURE = "Wav2Vec2LightCnn"
LAYOUT = "transformers"
# The authors of detectors in this format scored clips of 2.5 to 13 s whole.
CLIP_SECONDS = 13.0
_LIGHT_CNN_PREFIX = "light_cnn."
_PROBED_SAMPLES = 8_000


def read(
    folder: Path, overrides: ModelOverrides | None = None, *, name: str | None = None
) -> Checkpoint:
    """Reads a folder with config.json, preprocessor_config.json and model.safetensors.

    Without a `dfd.json`, clips of up to `CLIP_SECONDS` are scored whole, as transformers does it:
    normalised as preprocessor_config.json says, and never padded.

    Args:
        folder: folder of the files.
        overrides: properties that override the folder's own.
        name: name of the model if its card gives none; None means the folder's name.

    Raises:
        UserError: if a file is missing or broken, or the model is of an unsupported kind.
    """
    overrides = overrides or ModelOverrides()
    fields = Fields(folder / CONFIG, read_object(folder / CONFIG))
    architecture = _architecture(fields)
    plain = architecture != LIGHT_CNN_ARCHITECTURE
    family = FAMILIES[architecture if plain else WAV2VEC2]
    prefix, config = family.prefix, family.read(fields)
    if plain:
        head = _plain_head(fields, config, family.projected, overrides.pooling)
    else:
        refuse_pooling(overrides, folder)
        head = _light_cnn_head(fields, config)
    weighted = plain and fields.flag("use_weighted_layer_sum", False)
    preprocessor = Fields(folder / PREPROCESSOR, read_object(folder / PREPROCESSOR))
    rate = preprocessor.integer("sampling_rate", 16_000, 8_000, 48_000)

    weights = weight_files(folder)
    sha256 = digest(*weights)
    card = read_card(
        folder,
        name=name or folder.resolve().name,
        version=sha256[:12],
        sample_rate_hz=rate,
        defaults=CardDefaults(
            window_seconds=CLIP_SECONDS,
            normalize=_takes_samples(preprocessor, family)
            and preprocessor.flag("do_normalize", True),
            padding="mask",
        ),
        overrides=overrides,
    )
    if passes_for_bundled(card.name, sha256):
        _LOGGER.warning(
            "%s is named %s, but has other weights: it is served as %s",
            folder,
            card.name,
            folder.resolve().name,
        )
        card = replace(card, name=folder.resolve().name, version=sha256[:12])
    labels = fields.nested("id2label").content
    column, spoof_label = spoof_column(labels, str(fields.path), card.spoof_label)
    if card.sample_rate_hz != rate:
        raise UserError(
            f"{folder}: dfd.json says {card.sample_rate_hz} Hz, but {PREPROCESSOR} says {rate} Hz:"
            " correct the wrong one"
        )
    config.check_window(card.window_samples, str(folder), head.least_frames)

    backbone = family.build(config, fields)
    shapes = {prefix + name: shape for name, shape in family.shapes(backbone).items()}
    own = head.weights.state_dict()
    shapes |= {head.prefix + name: value.shape for name, value in own.items()}
    if head.stem is not None:
        shapes |= {STEM_PREFIX + name: one.shape for name, one in head.stem.state_dict().items()}
    if weighted:
        shapes["layer_weights"] = torch.Size([config.num_hidden_layers + 1])
    matched = match_tensors(
        fold_position_norm(read_tensors(weights), prefix),
        shapes,
        weights[-1],
        unused={prefix + name for name in TRAINING_ONLY | COMPUTED},
        source=f"the {CONFIG} next to it",
    )
    own_names = {
        name.removeprefix(prefix): value
        for name, value in matched.items()
        if name.startswith(prefix)
    }
    family.fill(backbone, own_names)
    head.weights.load_state_dict({name: matched[head.prefix + name] for name in own})
    head.weights.requires_grad_(False)
    make: Any = ScoringNetwork
    if head.hop_samples:
        make = partial(HopScoringNetwork, hop_samples=head.hop_samples)
    if head.stem is not None:
        stem = {name: matched[STEM_PREFIX + name] for name in head.stem.state_dict()}
        head.stem.load_state_dict(stem, assign=True)
        head.stem.requires_grad_(False)
        make = partial(StemScoringNetwork, stem=head.stem, hop_samples=head.hop_samples)
    network: ScoringNetwork = make(
        backbone,
        config,
        head.module,
        layer_weights=matched["layer_weights"] if weighted else None,
        spoof_column=column,
        # a network that works hop by hop always normalises each hop
        normalize=card.normalize or head.hop_samples > 0,
        mask=card.padding == "mask",
    )
    spectrogram = read_spectrogram(fields)
    if spectrogram is not None:
        network.short_extractor = _short_extractor(backbone, spectrogram, str(folder / CONFIG))
    return Checkpoint(
        network=network,
        card=card,
        weights_sha256=sha256,
        least_samples=config.samples_behind(head.least_frames),
        layout=LAYOUT,
        spoof_label=spoof_label,
    )


def _architecture(fields: Fields) -> str:
    """Returns the name of the classifier's class."""
    named = fields.content.get("architectures") or [WAV2VEC2]
    known = (*FAMILIES, LIGHT_CNN_ARCHITECTURE)
    single = isinstance(named, list) and len(named) == 1 and named[0] in known
    fields.require(single, "architectures", "one of " + ", ".join(known))
    return str(named[0])


def _takes_samples(preprocessor: Fields, family: Family) -> bool:
    """Returns whether a network takes samples; otherwise it takes the usual filterbanks.

    Raises:
        UserError: if it takes other filterbanks.
    """
    if family.takes_samples:
        return True
    for key, value in (("num_mel_bins", 80), ("stride", 2), ("sampling_rate", 16_000)):
        preprocessor.require(preprocessor.integer(key, value, 1) == value, key, str(value))
    return False


@dataclass(frozen=True, slots=True)
class _Head:
    """The part of the network after the backbone.

    Attributes:
        module: takes hidden states to logits.
        weights: the part of the module that has weights in the file.
        prefix: prefix of its tensors' names in the file.
        least_frames: the fewest frames that it needs.
        hop_samples: length of the hops that it processes one by one; 0 for whole windows.
        stem: stands beside the backbone and this part, and takes the same hops.
    """

    module: nn.Module
    weights: nn.Module
    prefix: str
    least_frames: int
    hop_samples: int = 0
    stem: WhisperStem | None = None


def refuse_pooling(overrides: ModelOverrides | None, source: Path) -> None:
    """Refuses a pooling for a network that has its own.

    Raises:
        UserError: if the overrides set one.
    """
    if overrides is not None and overrides.pooling is not None:
        raise UserError(
            f"{source} has a pooling of its own: leave out --pooling, which is for "
            "transformers' ForSequenceClassification"
        )


def _plain_head(
    fields: Fields, config: BackboneConfig, projected: int, pooling: str | None
) -> _Head:
    width = fields.integer("classifier_proj_size", projected, 1)
    head = ProjectedMeanHead(config.hidden_size, width, 2)
    module = ProjectedMaxHead(head) if pooling == "max" else OnMean(head)
    return _Head(module, head, "", 1)


def _light_cnn_head(fields: Fields, config: BackboneConfig) -> _Head:
    sizes = read_light_cnn(fields, config.hidden_size)
    head = LightCnn(sizes, config.hidden_size)
    hop = sizes.hop_samples
    found = read_stem(fields, hop)
    # all of its weights come from the file: on this device none are drawn before
    with torch.device("meta"):
        stem = None if found is None else WhisperStem(found)
    return _Head(head, head, _LIGHT_CNN_PREFIX, sizes.least_frames, hop, stem)


def _short_extractor(
    backbone: Any, options: SpectrogramOptions, source: str
) -> SpectrogramExtractor:
    """Builds the shortcut to the convolutions' frames, and compares the two on synthetic signals.

    Raises:
        UserError: if they differ.
    """
    short = SpectrogramExtractor(options)
    samples, _ = probe_signals(_PROBED_SAMPLES, SAMPLE_RATE_HZ)
    waves = torch.from_numpy(samples)
    waves = (waves - waves.mean(1, keepdim=True)) / (waves.std(1, keepdim=True) + 1e-3)
    with torch.inference_mode():
        wanted, found = backbone.feature_extractor(waves, None)[0], short(waves, None)[0]
    if wanted.shape != found.shape or not torch.allclose(wanted, found, rtol=1e-4, atol=2e-2):
        raise UserError(
            f"{source}: its convolutions do not compute the spectrogram that it describes: "
            f"remove {SPECTROGRAM}"
        )
    return short
