"""The folder that ``dfd.detector`` loads: transformers files and ``dfd.json`` beside them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache
from dfd.evaluation.calibration import (
    Calibration,
    fit_calibration,
    intra_stream_correlation,
    threshold_for_false_alarms,
)
from dfd.evaluation.corpus import Recording
from dfd.evaluation.scoring import Scorer, WindowOptions, pool, score_windows

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForSequenceClassification

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ServingOptions:
    """What goes into ``dfd.json`` besides what is measured."""

    name: str = "bundled"
    version: str = "2026.11.2"
    min_speech_seconds: float = 1.0
    trained_bandwidth_hz: float = 3400.0
    false_alarm_rate: float = 0.01
    stream_recordings: int = 6


def streams_of(
    recordings: Sequence[Recording], cache: AudioCache, most: int
) -> tuple[list[Recording], AudioCache]:
    """Join recordings of one speaker (human) or one system (spoof) of a source into streams.

    At most ``most`` recordings make a stream; a group with fewer than two makes none. Returns
    one recording per stream and the joined audio.
    """
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row, recording in enumerate(recordings):
        if cache.lengths[row] > 0:
            groups[(recording.source, recording.system, recording.speaker)].append(row)
    parts = [
        rows[start : start + most]
        for rows in groups.values()
        for start in range(0, len(rows), most)
        if len(rows[start : start + most]) > 1
    ]
    lengths = np.array([int(cache.lengths[rows].sum()) for rows in parts], dtype=np.int64)
    samples = np.zeros((len(parts), int(lengths.max(initial=1))), dtype=np.int16)
    for stream, rows in enumerate(parts):
        at = 0
        for row in rows:
            size = int(cache.lengths[row])
            samples[stream, at : at + size] = cache.samples[row, :size]
            at += size
    return [recordings[rows[0]] for rows in parts], AudioCache(samples, lengths, {})


def measure_serving(
    scorer: Scorer, recordings: Sequence[Recording], cache: AudioCache, options: ServingOptions
) -> dict[str, Any]:
    """Fit the calibration, the evidence correlation and the thresholds; the keys of dfd.json.

    ``scorer`` gives raw log-odds. Calibration is fitted on the windows of whole recordings and
    of their first second and two seconds, since provisional scores use the same map.
    """
    labels = np.array([recording.label for recording in recordings], dtype=np.int64)
    raw, truth = [], []
    for seconds in (None, 2.0, 1.0):
        windows = score_windows(scorer, cache, seconds=seconds)
        first = np.array([values[0] if values.size else np.nan for values in windows])
        keep = ~np.isnan(first)
        raw.append(first[keep])
        truth.append(labels[keep])
        if seconds is None:
            whole = windows
    calibration = fit_calibration(np.concatenate(raw), np.concatenate(truth))

    heads, joined = streams_of(recordings, cache, options.stream_recordings)
    stream_windows = [calibration.apply(v) for v in score_windows(scorer, joined)]
    means = {}
    for label in {head.label for head in heads}:
        mine = [v for v, head in zip(stream_windows, heads, strict=True) if head.label == label]
        means[label] = float(np.concatenate(mine).mean())
    correlation = intra_stream_correlation(
        [values - means[head.label] for values, head in zip(stream_windows, heads, strict=True)]
    )

    llrs = [calibration.apply(values) for values in whole]
    cumulative = pool(llrs, correlation)
    human = cumulative[(labels == 0) & ~np.isnan(cumulative)]
    human_streams = [v for v, h in zip(stream_windows, heads, strict=True) if h.label == 0]
    stream_scores = pool(human_streams, correlation)
    rate = options.false_alarm_rate
    return {
        "name": options.name,
        "version": options.version,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "window_samples": WindowOptions().window_samples,
        "hop_samples": WindowOptions().hop_samples,
        "padding": "mask",
        "calibration": {
            "scale": round(calibration.scale, 6),
            "offset": round(calibration.offset, 6),
        },
        "evidence_correlation": round(correlation, 4),
        "rolling_threshold": round(threshold_for_false_alarms(human, rate), 4),
        "cumulative_threshold": round(
            max(
                threshold_for_false_alarms(human, rate),
                threshold_for_false_alarms(stream_scores, rate) if len(human_streams) else 0.0,
            ),
            4,
        ),
        "min_speech_seconds": options.min_speech_seconds,
        "trained_bandwidth_hz": options.trained_bandwidth_hz,
    }


def write_folder(
    model: Wav2Vec2ForSequenceClassification, serving: dict[str, Any], folder: Path
) -> None:
    """Write config.json, model.safetensors, preprocessor_config.json and dfd.json."""
    from transformers import Wav2Vec2FeatureExtractor

    folder.mkdir(parents=True, exist_ok=True)
    model.cpu().train(False).save_pretrained(folder)
    make_extractor: Any = Wav2Vec2FeatureExtractor
    make_extractor(
        feature_size=1,
        sampling_rate=SAMPLE_RATE_HZ,
        padding_value=0.0,
        do_normalize=True,
        return_attention_mask=True,
    ).save_pretrained(folder)
    (folder / "dfd.json").write_text(json.dumps(serving, indent=2) + "\n", encoding="utf-8")


def calibration_of(folder: Path) -> tuple[Calibration, float, float]:
    """Calibration, evidence correlation and cumulative threshold of a model folder's dfd.json."""
    serving = json.loads((folder / "dfd.json").read_text(encoding="utf-8"))
    calibration = Calibration(**serving["calibration"])
    return calibration, serving["evidence_correlation"], serving["cumulative_threshold"]
