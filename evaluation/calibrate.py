"""Fits a detector to a user's calls: thresholds from human speech, calibration from both kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.clients.sources.recording import open_recordings
from dfd.detector.spec import Calibration, LoadedModel, ModelSpec
from dfd.detector.traits import default_policy, traits
from dfd.errors import UserError
from dfd.evaluation.figures.calibration import fit_calibration, intra_stream_correlation
from dfd.evaluation.figures.false_alarms import (
    Threshold,
    alarm_level,
    choose_threshold,
    share_interval,
)
from dfd.offline.recording import score_recording
from dfd.streaming.judgement.evidence import Evidence
from dfd.streaming.options import AudioFormat, ModelTraits, SessionOptions, UtteranceScore
from dfd.streaming.types import Encoding, StreamError, Window, WindowResult

LEAST_PEOPLE = 20
LEAST_MACHINES = 20
_CHUNK_SECONDS = 1.0
_RESAMPLINGS = 100
_SEED = 1
_NOTHING = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Call:
    """One channel of a recording, as a stream of windows.

    Attributes:
        windows: the scored windows, without their samples.
        raw: their log-odds before any calibration (n,).
        seconds: length of the audio.
    """

    windows: tuple[Window, ...]
    raw: npt.NDArray[np.float64]
    seconds: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of fitting.

    Attributes:
        calibration: None if only thresholds were fitted.
        scale_interval, offset_interval: intervals of the calibration, over resampled calls.
        correlation: correlation of the evidence, if there is a calibration.
        missed, missed_interval: share of synthetic calls that raise no alert.
    """

    threshold: Threshold
    machines: int
    calibration: Calibration | None = None
    scale_interval: tuple[float, float] | None = None
    offset_interval: tuple[float, float] | None = None
    correlation: float | None = None
    missed: float | None = None
    missed_interval: tuple[float, float] | None = None


def score_calls(
    path: str, detector: LoadedModel, on_finding: Callable[[str], None] = lambda words: None
) -> list[Call]:
    """Scores a recording as a live stream, with one call for each channel.

    Args:
        path: path of the recording.
        detector: scores the windows.
        on_finding: called with a sentence about anything cut short, damaged or not read.

    Raises:
        UserError: if it cannot be read.
    """
    known = detector.spec.calibration
    calls = []
    for recording in open_recordings(path):
        found = recording.audio_format
        heard: dict[int, list[tuple[Window, float]]] = {}

        def take(
            result: WindowResult, heard: dict[int, list[tuple[Window, float]]] = heard
        ) -> None:
            if result.window_score is not None:
                raw = (result.window_score.spoof_llr - known.offset) / known.scale
                window = replace(result.window, samples=_NOTHING)
                heard.setdefault(window.channel, []).append((window, raw))

        audio_format = AudioFormat(
            Encoding(found.encoding.value), found.sample_rate_hz, found.channel_count
        )
        chunks = recording.chunks(_CHUNK_SECONDS)
        try:
            tracks = score_recording(chunks, audio_format, detector, observe=take)
        except StreamError as error:
            raise UserError(f"{path}: {error}") from None
        finally:
            chunks.close()
        for finding in chunks.findings:
            on_finding(f"{recording.name}: {finding}")
        for track in tracks:
            scored = heard.get(track.summary.channel, [])
            calls.append(
                Call(
                    tuple(window for window, _ in scored),
                    np.array([raw for _, raw in scored], np.float64),
                    track.summary.audio_seconds,
                )
            )
    return calls


def fit(
    people: Sequence[Call],
    machines: Sequence[Call],
    spec: ModelSpec,
    false_alarms_per_hour: float,
    *,
    calibrate: bool = True,
) -> Fitted:
    """Fits thresholds, and a calibration if there are enough synthetic calls.

    Args:
        people: human calls.
        machines: synthetic calls; may be empty.
        spec: spec of the detector.
        false_alarms_per_hour: acceptable false alarms per hour.
        calibrate: whether to fit a calibration at all.

    Raises:
        UserError: if there are too few human calls.
    """
    people = [call for call in people if len(call.raw)]
    machines = [call for call in machines if len(call.raw)]
    if len(people) < LEAST_PEOPLE:
        raise UserError(
            f"{len(people)} human calls were scored: a threshold needs at least {LEAST_PEOPLE}"
        )
    calibration, model, correlation = spec.calibration, traits(spec), None
    intervals: tuple[Any, Any] = (None, None)
    fits = calibrate and len(machines) >= LEAST_MACHINES
    if fits:
        calibration = _fit(people, machines)
        intervals = _intervals(people, machines)
        correlation = _correlation(people, machines, calibration)
        model = replace(
            model, evidence_correlation=correlation, utterance_score=UtteranceScore.EVIDENCE
        )
    consecutive = default_policy(spec).consecutive_windows

    def levels(calls: Sequence[Call]) -> npt.NDArray[np.float64]:
        return np.array([_level(call, calibration, model, consecutive) for call in calls])

    hours = sum(call.seconds for call in people) / 3600.0
    threshold = choose_threshold(levels(people), hours, false_alarms_per_hour)
    fitted = Fitted(threshold, len(machines))
    if fits:
        fitted = replace(
            fitted,
            calibration=calibration,
            scale_interval=intervals[0],
            offset_interval=intervals[1],
            correlation=correlation,
        )
    if machines:
        missed = int((levels(machines) < threshold.value).sum())
        fitted = replace(
            fitted,
            missed=missed / len(machines),
            missed_interval=share_interval(missed, len(machines)),
        )
    return fitted


def card_fields(fitted: Fitted) -> dict[str, Any]:
    """Returns the fields of `dfd.json` with what was fitted."""
    threshold = fitted.threshold
    fields: dict[str, Any] = {
        "rolling_threshold": threshold.value,
        "cumulative_threshold": threshold.value,
        "calibrated_on": {
            "calls_of_people": threshold.calls,
            "hours_of_people": round(threshold.hours, 4),
            "calls_of_machines": fitted.machines,
            "false_alarms_per_hour_95": [round(one, 4) for one in threshold.per_hour],
        },
    }
    if fitted.calibration is not None:
        scale, offset = fitted.calibration.scale, fitted.calibration.offset
        fields["calibration"] = {"scale": scale, "offset": offset}
        fields["evidence_correlation"] = fitted.correlation
        fields["utterance_score"] = "evidence"
    return fields


def _level(
    call: Call, calibration: Calibration, model: ModelTraits, consecutive_windows: int
) -> float:
    """Returns the highest threshold at which a call raises an alert of either kind."""
    evidence = Evidence(model.window_samples / model.sample_rate_hz, model, _rolling_windows())
    rolling, cumulative = [], []
    for window, llr in zip(call.windows, calibration.apply(call.raw), strict=True):
        evidence.add(window, float(llr))
        assert evidence.rolling is not None
        assert evidence.cumulative is not None
        rolling.append(evidence.rolling.spoof_probability)
        cumulative.append(evidence.cumulative.spoof_probability)
    return max(alarm_level(scores, consecutive_windows) for scores in (rolling, cumulative))


def _rolling_windows() -> int:
    """Returns a stream's default."""
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, 16_000))
    return options.rolling_windows


def _fit(people: Sequence[Call], machines: Sequence[Call]) -> Calibration:
    """Fits a calibration in which all calls of a class have equal weight."""
    calls = [*people, *machines]
    raw = np.concatenate([call.raw for call in calls])
    labels = np.concatenate(
        [np.full(len(call.raw), int(at >= len(people))) for at, call in enumerate(calls)]
    )
    weights = np.concatenate([np.full(len(call.raw), 1.0 / len(call.raw)) for call in calls])
    return fit_calibration(raw, labels, weights)


def _intervals(
    people: Sequence[Call], machines: Sequence[Call]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns bootstrap intervals of scale and offset, resampling calls."""
    generator = np.random.default_rng(_SEED)
    scales, offsets = [], []
    for _ in range(_RESAMPLINGS):
        drawn = [
            [side[at] for at in generator.integers(0, len(side), len(side))]
            for side in (people, machines)
        ]
        found = _fit(*drawn)
        scales.append(found.scale)
        offsets.append(found.offset)
    low, high = np.quantile([scales, offsets], [0.025, 0.975], axis=1)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _correlation(
    people: Sequence[Call], machines: Sequence[Call], calibration: Calibration
) -> float:
    """Returns the correlation of window LLRs within calls, by class; 1 if calls are too short."""
    streams = []
    for side in (people, machines):
        llrs = [calibration.apply(call.raw) for call in side]
        mean = np.concatenate(llrs).mean()
        streams += [one - mean for one in llrs if len(one) > 1]
    return intra_stream_correlation(streams) if len(streams) > 1 else 1.0
