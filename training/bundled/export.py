"""The folder that ``dfd.detector`` loads: transformers files and ``dfd.json`` beside them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache
from dfd.evaluation.calibration import (
    fit_calibration,
    intra_stream_correlation,
    threshold_for_false_alarms,
)
from dfd.evaluation.corpus import Recording
from dfd.evaluation.scoring import Scorer, WindowOptions, pool, score_windows

if TYPE_CHECKING:
    from dfd.detector.with_transformers import Wav2Vec2LightCnn

ROLLING_WINDOWS = 5
AUTO_CLASS = "AutoModelForAudioClassification"
MODELING = "modeling_light_cnn.py"

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ServingOptions:
    """What goes into ``dfd.json`` besides what is measured."""

    name: str = "bundled"
    version: str = "2026.11.4"
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

    ``false_alarm_rate`` of the human recordings, and no human stream, reach the thresholds.
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

    cumulative = pool([calibration.apply(values) for values in whole], correlation)
    human = cumulative[(labels == 0) & ~np.isnan(cumulative)]
    human_streams = [v for v, h in zip(stream_windows, heads, strict=True) if h.label == 0]
    by_recordings = threshold_for_false_alarms(human, options.false_alarm_rate)
    by_streams = _above(pool(human_streams, correlation))
    by_peaks = _above(rolling_peaks(human_streams, correlation))
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
        "rolling_threshold": _rounded_up(max(by_recordings, by_peaks)),
        "cumulative_threshold": _rounded_up(max(by_recordings, by_streams)),
        "min_speech_seconds": options.min_speech_seconds,
        "trained_bandwidth_hz": options.trained_bandwidth_hz,
    }


def rolling_peaks(streams: Sequence[FloatArray], correlation: float) -> FloatArray:
    """The highest rolling LLR of each stream, as the daemon's default of five windows gives it."""
    peaks = []
    for windows in streams:
        ends = range(1, len(windows) + 1)
        recent = [windows[max(0, end - ROLLING_WINDOWS) : end] for end in ends]
        peaks.append(pool(recent, correlation).max())
    return np.array(peaks)


def _above(llrs: FloatArray) -> float:
    return threshold_for_false_alarms(llrs, 0.0) if llrs.size else 0.0


def _rounded_up(threshold: float) -> float:
    """To hundredths: a stream's figures differ a little from a recording's."""
    return min(0.99, math.ceil(round(100 * threshold, 6)) / 100)


def write_weights(model: Wav2Vec2LightCnn, folder: Path) -> None:
    """Write config.json, model.safetensors, preprocessor_config.json and transformers' way in."""
    from transformers import Wav2Vec2FeatureExtractor

    folder.mkdir(parents=True, exist_ok=True)
    model.config.auto_map = {AUTO_CLASS: f"{Path(MODELING).stem}.{type(model).__name__}"}
    model.save_pretrained(folder)
    make_extractor: Any = Wav2Vec2FeatureExtractor
    make_extractor(
        feature_size=1,
        sampling_rate=SAMPLE_RATE_HZ,
        padding_value=0.0,
        do_normalize=True,
        return_attention_mask=True,
    ).save_pretrained(folder)
    (folder / MODELING).write_text(
        '"""Leads transformers to the network of this folder; dfd has to be installed."""\n\n'
        f"from {type(model).__module__} import {type(model).__name__} as {type(model).__name__}\n",
        encoding="utf-8",
    )


def write_serving(serving: dict[str, Any], folder: Path) -> None:
    """Write dfd.json."""
    (folder / "dfd.json").write_text(json.dumps(serving, indent=2) + "\n", encoding="utf-8")
