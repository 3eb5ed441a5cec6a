"""Measures on dev what a live detector needs besides its weights: the keys of `dfd.json`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures.calibration import (
    fit_calibration,
    intra_stream_correlation,
    threshold_for_false_alarms,
)
from dfd.offline.scores import WindowScores, joined
from dfd.streaming.options import ModelTraits

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# The detector's own default, if there is too little data to measure it.
USUAL_CORRELATION = 0.5
# How many recordings are joined to a stream.
STREAM_RECORDINGS = 6
# Windows with less speech are not scored live.
MIN_SPEECH_SECONDS = 1.0


# the label of a stream, and its windows with raw log-odds
Stream = tuple[int, WindowScores]


@dataclass(frozen=True)
class ServedAs:
    """How the daemon should cut and pad, and other fields of `dfd.detector.files.card`.

    `int8` says that networks of this kind were found to be as accurate in int8.
    """

    name: str
    padding: str
    version: str = ""
    window_samples: int = 64_000
    hop_samples: int = 32_000
    false_alarm_rate: float = 0.01
    trained_bandwidth_hz: float = SAMPLE_RATE_HZ / 2
    int8: bool = False

    def traits(self, evidence_correlation: float = USUAL_CORRELATION) -> ModelTraits:
        """Returns the traits that the streaming core will see."""
        return ModelTraits(
            sample_rate_hz=SAMPLE_RATE_HZ,
            window_samples=self.window_samples,
            hop_samples=self.hop_samples,
            min_speech_seconds=MIN_SPEECH_SECONDS,
            evidence_correlation=evidence_correlation,
            trained_bandwidth_hz=self.trained_bandwidth_hz,
        )


def serving_facts(
    whole: Sequence[WindowScores],
    beginnings: Sequence[FloatArray],
    streams: Sequence[Stream],
    recordings: Sequence[Recording],
    served: ServedAs,
) -> dict[str, Any]:
    """Fits calibration, evidence correlation and thresholds on raw window log-odds of dev.

    `whole` has the windows of each recording, none for one that was not scored; `beginnings` has
    the log-odds (R,) of its first seconds alone (`PROVISIONAL_SECONDS`), which use the same map,
    and NaN for one that was not scored. `streams` stand for long live streams. The thresholds are
    reached by a share of `false_alarm_rate` of the human recordings, and by no human stream.

    Raises:
        UserError: if a label has no score.
    """
    labels = np.array([recording.label for recording in recordings], dtype=np.int64)
    first = np.array([windows.llrs[0] if len(windows) else np.nan for windows in whole])
    raw, truth = [], []
    for odds in (first, *beginnings):
        raw += odds[~np.isnan(odds)].tolist()
        truth += labels[~np.isnan(odds)].tolist()
    try:
        calibration = fit_calibration(np.array(raw), np.array(truth))
    except ValueError as error:
        raise UserError(f"dev cannot calibrate: {error}") from None
    calibrated = [(label, windows.calibrated(calibration)) for label, windows in streams]
    correlation = _correlation([(label, windows.llrs) for label, windows in calibrated])
    model = served.traits(correlation)
    scores = np.array([windows.calibrated(calibration).score(model) for windows in whole])
    human = scores[(labels == 0) & ~np.isnan(scores)]
    by_recordings = threshold_for_false_alarms(human, served.false_alarm_rate)
    human_streams = [windows for label, windows in calibrated if label == 0]
    by_streams = _above(np.array([windows.score(model) for windows in human_streams]))
    by_peaks = _above(np.array([windows.peak(model) for windows in human_streams]))
    cumulative_threshold = _rounded_up(max(by_recordings, by_streams))
    return {
        "name": served.name,
        **({"version": served.version} if served.version else {}),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "window_samples": served.window_samples,
        "hop_samples": served.hop_samples,
        "padding": served.padding,
        "calibration": {
            "scale": round(calibration.scale, 6),
            "offset": round(calibration.offset, 6),
        },
        "evidence_correlation": round(correlation, 4),
        "rolling_threshold": _rounded_up(max(by_recordings, by_peaks)),
        "cumulative_threshold": cumulative_threshold,
        "min_speech_seconds": MIN_SPEECH_SECONDS,
        "trained_bandwidth_hz": served.trained_bandwidth_hz,
        "error_rates": _error_rates(scores, labels, whole, cumulative_threshold),
        **({"int8": True} if served.int8 else {}),
    }


def _error_rates(
    scores: FloatArray, labels: IntArray, whole: Sequence[WindowScores], threshold: float
) -> dict[str, float]:
    """Returns how often recordings as long as those of dev are misjudged at a threshold."""
    alarmed = scores >= math.log(threshold / (1 - threshold))
    human, spoof = ((labels == label) & ~np.isnan(scores) for label in (0, 1))
    heard = [windows.spans[-1].end_sample / SAMPLE_RATE_HZ for windows in whole if len(windows)]
    return {
        "threshold": threshold,
        "false_alarm_rate": round(float(alarmed[human].mean()), 4),
        "miss_rate": round(1 - float(alarmed[spoof].mean()), 4),
        "seconds": round(float(np.median(heard)), 1),
    }


def stream_rows(
    recordings: Sequence[Recording], usable: Callable[[int], bool], most: int = STREAM_RECORDINGS
) -> list[list[int]]:
    """Groups rows of up to `most` recordings of a source by speaker (human) or system (spoof).

    A group with fewer than two `usable` rows is left out.
    """
    groups: dict[tuple[str, str, str, int], list[int]] = defaultdict(list)
    for row, recording in enumerate(recordings):
        if usable(row):
            key = (recording.source, recording.system, recording.speaker, recording.label)
            groups[key].append(row)
    return [
        rows[start : start + most]
        for rows in groups.values()
        for start in range(0, len(rows), most)
        if len(rows[start : start + most]) > 1
    ]


def in_a_row(recordings: Sequence[Recording], whole: Sequence[WindowScores]) -> list[Stream]:
    """Makes streams of the windows of recordings, one after another."""
    return [
        (recordings[rows[0]].label, joined(whole[row] for row in rows))
        for rows in stream_rows(recordings, lambda row: len(whole[row]) > 0)
    ]


def _above(llrs: FloatArray) -> float:
    return threshold_for_false_alarms(llrs, 0.0) if llrs.size else 0.0


def _rounded_up(threshold: float) -> float:
    """Rounds up to hundredths, as a stream's figures differ a little from a recording's."""
    return min(0.99, math.ceil(round(100 * threshold, 6)) / 100)


def _correlation(streams: Sequence[tuple[int, FloatArray]]) -> float:
    """Returns the correlation of windows of a stream, after subtracting their label's mean."""
    centred = []
    for label in {label for label, _ in streams}:
        mine = [stream for other, stream in streams if other == label]
        mean = np.concatenate(mine).mean()
        centred += [stream - mean for stream in mine]
    try:
        return intra_stream_correlation(centred)
    except ValueError:
        return USUAL_CORRELATION
