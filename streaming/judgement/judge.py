"""Judges one channel: window scores in, results and alerts out, a summary at the end."""

import math

from dfd.streaming.judgement.alerts import AlertState
from dfd.streaming.judgement.evidence import Evidence
from dfd.streaming.judgement.quality import SignalQuality
from dfd.streaming.judgement.verdict import TrackFacts, decide
from dfd.streaming.judgement.watermarks import Reading, WatermarkReadings
from dfd.streaming.options import SessionOptions
from dfd.streaming.state import JudgeState
from dfd.streaming.track import Track
from dfd.streaming.types import (
    Alert,
    ChannelSummary,
    ResolveEvent,
    Score,
    Trigger,
    Window,
    WindowResult,
    WindowStatus,
)

_SCORES = (Trigger.ROLLING, Trigger.CUMULATIVE)
_NOTHING_YET = Score(0.0, 0.0)


class Judge:
    """Keeps the evidence, the alerts and the counts of one channel.

    Args:
        channel: number of the channel.
        options: options of the session.
        state: state to continue from, of a judge with the same options.

    Raises:
        ValueError: if the state is invalid.
    """

    def __init__(
        self, channel: int, options: SessionOptions, state: JudgeState | None = None
    ) -> None:
        self._channel = channel
        self._options = options
        policy, rate = options.alert_policy, options.model.sample_rate_hz
        known = (options.effective_window_seconds, options.model, options.rolling_windows)
        if state is None:
            self._evidence = Evidence(*known)
            self._alerts = [AlertState(t, channel, policy) for t in _SCORES]
            self._quality = SignalQuality(rate)
            self._observed_until = 0
            self._counts = dict.fromkeys(WindowStatus, 0)
            self._first_alert_seconds: float | None = None
        else:
            self._evidence = Evidence(*known, state.evidence)
            self._alerts = [
                AlertState(t, channel, policy, memory)
                for t, memory in zip(_SCORES, state.alerts, strict=True)
            ]
            self._quality = SignalQuality(rate, state.quality)
            self._observed_until = state.observed_until
            self._counts = dict(zip(WindowStatus, state.counts, strict=True))
            self._first_alert_seconds = state.first_alert_seconds
        self._watermarks = WatermarkReadings(rate, None if state is None else state.watermarks)

    def state(self) -> JudgeState:
        """Returns the state so far."""
        return JudgeState(
            evidence=self._evidence.state(),
            alerts=tuple(alert.memory() for alert in self._alerts),
            quality=self._quality.state(),
            observed_until=self._observed_until,
            counts=tuple(self._counts[status] for status in WindowStatus),
            first_alert_seconds=self._first_alert_seconds,
            watermarks=self._watermarks.state(),
        )

    @property
    def watermarks(self) -> WatermarkReadings:
        """The readings of watermarks, which affect neither scores nor verdict."""
        return self._watermarks

    @property
    def standing_alerts(self) -> list[Alert]:
        """The active alerts."""
        return [alert.standing for alert in self._alerts if alert.standing is not None]

    @property
    def alerts_raised(self) -> int:
        """Number of alerts so far, including cleared ones."""
        return sum(alert.times_raised for alert in self._alerts) + len(self._watermarks.found)

    def resolve(
        self, window: Window, status: WindowStatus, spoof_llr: float | None
    ) -> list[ResolveEvent]:
        """Handles the outcome of a window; a score that is not finite counts as a failure."""
        if status is WindowStatus.SCORED and (spoof_llr is None or not math.isfinite(spoof_llr)):
            status = WindowStatus.FAILED
        self._counts[status] += 1
        own: Score | None = None
        alerts: list[ResolveEvent] = []
        if status is WindowStatus.SCORED and spoof_llr is not None:
            own = self._evidence.add(window, spoof_llr)
            self._observe(window)
            alerts = self._update_alerts(window)
        result = WindowResult(
            window=window,
            status=status,
            window_score=own,
            rolling_score=self._evidence.rolling,
            cumulative_score=self._evidence.cumulative,
        )
        return [result, *alerts]

    def add_reading(self, window: Window, reading: Reading) -> list[Alert]:
        """Handles the reading of one watermark in a window."""
        found = self._watermarks.add(window, reading)
        if found is None:
            return []
        return [
            Alert(
                trigger=Trigger.WATERMARK,
                channel=self._channel,
                offset_seconds=found.offset_seconds,
                score=self._evidence.cumulative or _NOTHING_YET,
                threshold=reading.threshold,
                cleared=False,
                watermark=found,
            )
        ]

    def _observe(self, window: Window) -> None:
        """Observes the signal quality in the part of a window that no earlier one covered."""
        fresh = max(0, self._observed_until - window.start_sample)
        self._observed_until = max(self._observed_until, window.end_sample)
        self._quality.observe(window.samples[fresh:])

    def _update_alerts(self, window: Window) -> list[ResolveEvent]:
        scores = (self._evidence.rolling, self._evidence.cumulative)
        changes: list[ResolveEvent] = []
        for state, score in zip(self._alerts, scores, strict=True):
            assert score is not None
            change = state.update(score, window.end_seconds)
            if change is None:
                continue
            changes.append(change)
            if self._first_alert_seconds is None:
                self._first_alert_seconds = change.offset_seconds
        return changes

    def summary(self, track: Track) -> ChannelSummary:
        """Returns the summary of the channel whose audio went through `track`."""
        audio_seconds = track.end / self._options.model.sample_rate_hz
        scored = self._counts[WindowStatus.SCORED]
        shed = self._counts[WindowStatus.SHED]
        verdict, reasons = decide(
            TrackFacts(
                cumulative=self._evidence.cumulative,
                alerted=self._first_alert_seconds is not None,
                spoof_threshold=self._options.alert_policy.cumulative_threshold,
                gap_fraction=track.gap_seconds / audio_seconds if audio_seconds else 0.0,
                shed_fraction=shed / (scored + shed) if shed else 0.0,
                clipped_fraction=self._quality.clipped_fraction,
                bandwidth_hz=self._quality.bandwidth_hz,
                trained_bandwidth_hz=self._options.model.trained_bandwidth_hz,
            )
        )
        return ChannelSummary(
            channel=self._channel,
            verdict=verdict,
            inconclusive_reasons=reasons,
            cumulative_score=self._evidence.cumulative,
            peak_rolling_score=self._evidence.peak_rolling,
            mean_spoof_probability=self._evidence.mean_spoof_probability,
            audio_seconds=audio_seconds,
            speech_seconds=track.speech_seconds,
            gap_seconds=track.gap_seconds,
            first_alert_seconds=self._first_alert_seconds,
            watermarks=self._watermarks.found,
            **{f"windows_{status.value}": count for status, count in self._counts.items()},
        )
