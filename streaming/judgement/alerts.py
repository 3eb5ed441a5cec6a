"""When a track alerts and when the alert is over."""

from dfd.streaming.options import AlertPolicy
from dfd.streaming.types import Alert, Score, Trigger


class AlertState:
    """One trigger of one track: raised or not, with hysteresis, run length and cooldown.

    Attributes:
        raised: whether an alert stands.
    """

    def __init__(self, trigger: Trigger, channel: int, policy: AlertPolicy) -> None:
        self._trigger = trigger
        self._channel = channel
        self._consecutive = policy.consecutive_windows
        self._cooldown = policy.cooldown_seconds
        self._threshold = (
            policy.rolling_threshold if trigger is Trigger.ROLLING else policy.cumulative_threshold
        )
        # An alert can always be cleared: a score can fall to this at least.
        self._clear_below = max(self._threshold - policy.hysteresis, 0.01)
        self._run = 0
        self._not_before = 0.0
        self.raised = False

    def update(self, score: Score, offset_seconds: float) -> Alert | None:
        """Takes the score after a window; returns the alert it raises or clears."""
        probability = score.spoof_probability
        if self.raised:
            crossed = probability < min(self._clear_below, self._threshold)
        else:
            crossed = probability >= self._threshold
        self._run = self._run + 1 if crossed else 0
        if self._run < self._consecutive:
            return None
        if not self.raised and offset_seconds < self._not_before:
            return None
        self.raised = not self.raised
        self._run = 0
        if not self.raised:
            self._not_before = offset_seconds + self._cooldown
        return Alert(
            trigger=self._trigger,
            channel=self._channel,
            offset_seconds=offset_seconds,
            score=score,
            threshold=self._threshold,
            cleared=not self.raised,
        )
