"""What a live detector needs besides its weights, measured on dev: the keys of ``dfd.json``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.evaluation.calibration import (
    fit_calibration,
    intra_stream_correlation,
    threshold_for_false_alarms,
)
from dfd.evaluation.corpus import CorpusError, Recording
from dfd.evaluation.scoring import pool

FloatArray = npt.NDArray[np.float64]

# Seconds of speech that the daemon's provisional windows hold; they share the calibration.
PROVISIONAL_SECONDS = (1.0, 2.0)
# The detector's own default, for data too small to measure it.
USUAL_CORRELATION = 0.5


@dataclass(frozen=True)
class ServedAs:
    """How the daemon is to cut and pad: see ``dfd.detector.card``."""

    name: str
    padding: str
    window_samples: int = 64_000
    hop_samples: int = 32_000
    false_alarm_rate: float = 0.01
    stream_recordings: int = 6


def serving_facts(
    whole: Sequence[FloatArray],
    beginnings: Sequence[Sequence[FloatArray]],
    recordings: Sequence[Recording],
    served: ServedAs,
) -> dict[str, Any]:
    """Fit calibration, evidence correlation and thresholds on raw window log-odds of dev.

    ``whole`` has the windows of each recording; ``beginnings`` the same for only its first
    seconds (``PROVISIONAL_SECONDS``). Empty arrays stand for recordings not scored. The windows
    of up to ``stream_recordings`` recordings of one speaker or system stand for a live stream.
    Raises ``CorpusError`` where a label has no score.
    """
    labels = np.array([recording.label for recording in recordings], dtype=np.int64)
    raw, truth = [], []
    for windows in (whole, *beginnings):
        rows = [row for row, odds in enumerate(windows) if odds.size]
        raw += [windows[row][0] for row in rows]
        truth += [labels[row] for row in rows]
    try:
        calibration = fit_calibration(np.array(raw), np.array(truth))
    except ValueError as error:
        raise CorpusError(f"dev cannot calibrate: {error}") from None
    llrs = [calibration.apply(odds) for odds in whole]
    streams = _streams(recordings, llrs, served.stream_recordings)
    correlation = _correlation(streams)
    scores = pool(llrs, correlation)
    human = scores[(labels == 0) & ~np.isnan(scores)]
    rolling = cumulative = threshold_for_false_alarms(human, served.false_alarm_rate)
    human_streams = [stream for label, stream in streams if label == 0]
    if human_streams:
        long = threshold_for_false_alarms(pool(human_streams, correlation), served.false_alarm_rate)
        cumulative = max(cumulative, long)
    return {
        "name": served.name,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "window_samples": served.window_samples,
        "hop_samples": served.hop_samples,
        "padding": served.padding,
        "calibration": {
            "scale": round(calibration.scale, 6),
            "offset": round(calibration.offset, 6),
        },
        "evidence_correlation": round(correlation, 4),
        "rolling_threshold": round(rolling, 4),
        "cumulative_threshold": round(cumulative, 4),
        "min_speech_seconds": 1.0,
        "trained_bandwidth_hz": SAMPLE_RATE_HZ / 2,
    }


def _streams(
    recordings: Sequence[Recording], llrs: Sequence[FloatArray], most: int
) -> list[tuple[int, FloatArray]]:
    """Label and windows of recordings of one speaker (human) or system (spoof) in a row."""
    groups: dict[tuple[str, str, str, int], list[FloatArray]] = defaultdict(list)
    for recording, odds in zip(recordings, llrs, strict=True):
        if odds.size:
            key = (recording.source, recording.system, recording.speaker, recording.label)
            groups[key].append(odds)
    return [
        (key[-1], np.concatenate(parts[start : start + most]))
        for key, parts in groups.items()
        for start in range(0, len(parts), most)
        if len(parts[start : start + most]) > 1
    ]


def _correlation(streams: Sequence[tuple[int, FloatArray]]) -> float:
    """Correlation of windows in a stream, after the mean of their label."""
    centred = []
    for label in {label for label, _ in streams}:
        mine = [stream for other, stream in streams if other == label]
        mean = np.concatenate(mine).mean()
        centred += [stream - mean for stream in mine]
    try:
        return intra_stream_correlation(centred)
    except ValueError:
        return USUAL_CORRELATION
