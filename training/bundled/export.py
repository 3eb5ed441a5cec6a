"""The folder that `dfd.detector` loads: transformers files and `dfd.json` beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dfd.detector.spec import Scorer
from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache
from dfd.evaluation.corpus import Recording
from dfd.streaming.options import PROVISIONAL_SECONDS
from dfd.training.scoring import score_beginnings, score_cache
from dfd.training.weights.serving import ServedAs, serving_facts, stream_rows

if TYPE_CHECKING:
    from dfd.detector.with_transformers import Wav2Vec2LightCnn

AUTO_CLASS = "AutoModelForAudioClassification"
MODELING = "modeling_light_cnn.py"

SERVED = ServedAs(
    "bundled", padding="mask", version="2026.11.8", trained_bandwidth_hz=3400.0, int8=True
)


def joined(recordings: Sequence[Recording], cache: AudioCache) -> tuple[list[int], AudioCache]:
    """Joins recordings to streams (see `stream_rows`): returns the labels, and the audio."""
    parts = stream_rows(recordings, lambda row: bool(cache.lengths[row] > 0))
    lengths = np.array([int(cache.lengths[rows].sum()) for rows in parts], dtype=np.int64)
    samples = np.zeros((len(parts), int(lengths.max(initial=1))), dtype=np.int16)
    for stream, rows in enumerate(parts):
        at = 0
        for row in rows:
            size = int(cache.lengths[row])
            samples[stream, at : at + size] = cache.samples[row, :size]
            at += size
    return [recordings[rows[0]].label for rows in parts], AudioCache(samples, lengths, {})


def measure_serving(
    scorer: Scorer, recordings: Sequence[Recording], cache: AudioCache, served: ServedAs
) -> dict[str, Any]:
    """Measures the `serving_facts` of a scorer of raw log-odds, with streams of joined audio."""
    model = served.traits()
    whole = score_cache(scorer, cache, model)
    beginnings = [
        score_beginnings(scorer, cache, seconds, model) for seconds in PROVISIONAL_SECONDS
    ]
    labels, audio = joined(recordings, cache)
    streams = list(zip(labels, score_cache(scorer, audio, model), strict=True))
    return serving_facts(whole, beginnings, streams, recordings, served)


def write_weights(model: Wav2Vec2LightCnn, folder: Path) -> None:
    """Writes the files that transformers loads: configurations, weights, and its way in."""
    from transformers import Wav2Vec2FeatureExtractor

    folder.mkdir(parents=True, exist_ok=True)
    model.config.auto_map = {AUTO_CLASS: f"{Path(MODELING).stem}.{type(model).__name__}"}
    model.save_pretrained(folder)
    make_extractor: Any = Wav2Vec2FeatureExtractor
    make_extractor(
        feature_size=1,
        sampling_rate=SAMPLE_RATE_HZ,
        padding_value=0.0,
        # a network that processes hops normalises each of them itself
        do_normalize=not model.hop_samples,
        return_attention_mask=True,
    ).save_pretrained(folder)
    (folder / MODELING).write_text(
        '"""Leads transformers to the network of this folder; dfd has to be installed."""\n\n'
        f"from {type(model).__module__} import {type(model).__name__} as {type(model).__name__}\n",
        encoding="utf-8",
    )


def write_serving(serving: dict[str, Any], folder: Path) -> None:
    """Writes dfd.json."""
    (folder / "dfd.json").write_text(json.dumps(serving, indent=2) + "\n", encoding="utf-8")
