"""When a track raises an alert, and when the alert is over."""

from dfd.streaming.options import AlertPolicy
from dfd.streaming.state import AlertMemory
from dfd.streaming.types import Alert, Score, Trigger, WindowResult

# An alert is near from this part of its threshold on.
_NEAR = 0.5
# An alert can always be cleared, since a score can fall at least to this.
_CLEARS_BELOW = 0.01
_NO_ALERTS = AlertMemory(0, 0.0, 0, None, None)


def near_alert(result: WindowResult, policy: AlertPolicy) -> bool:
    """Returns whether a score is at least half of the threshold of its alert."""
    scores = (
        (result.rolling_score, policy.rolling_threshold),
        (result.cumulative_score, policy.cumulative_threshold),
    )
    return any(
        score is not None and score.spoof_probability >= _NEAR * threshold
        for score, threshold in scores
    )


class AlertState:
    """One trigger of one track: raised or not, with hysteresis, run length and cooldown.

    Attributes:
        standing: the active alert, if any.
        times_raised: number of alerts so far.
    """

    def __init__(
        self,
        trigger: Trigger,
        channel: int,
        policy: AlertPolicy,
        memory: AlertMemory = _NO_ALERTS,
    ) -> None:
        self._trigger = trigger
        self._channel = channel
        self._consecutive = policy.consecutive_windows
        self._cooldown = policy.cooldown_seconds
        self._threshold = (
            policy.rolling_threshold if trigger is Trigger.ROLLING else policy.cumulative_threshold
        )
        self._clear_below = max(self._threshold - policy.hysteresis, _CLEARS_BELOW)
        self._run = memory.run
        self._not_before = memory.not_before
        self.times_raised = memory.times_raised
        self.standing: Alert | None = None
        if memory.raised_at is not None and memory.score is not None:
            self.standing = self._alert(memory.score, memory.raised_at)

    @property
    def raised(self) -> bool:
        """Whether an alert is active."""
        return self.standing is not None

    def memory(self) -> AlertMemory:
        """Returns the state needed to continue elsewhere."""
        standing = self.standing
        return AlertMemory(
            self._run,
            self._not_before,
            self.times_raised,
            None if standing is None else standing.offset_seconds,
            None if standing is None else standing.score,
        )

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
        self._run = 0
        if self.raised:
            self.standing = None
            self._not_before = offset_seconds + self._cooldown
            return self._alert(score, offset_seconds, cleared=True)
        self.times_raised += 1
        self.standing = self._alert(score, offset_seconds)
        return self.standing

    def _alert(self, score: Score, offset_seconds: float, *, cleared: bool = False) -> Alert:
        return Alert(
            trigger=self._trigger,
            channel=self._channel,
            offset_seconds=offset_seconds,
            score=score,
            threshold=self._threshold,
            cleared=cleared,
        )
