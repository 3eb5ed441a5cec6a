"""From window LLRs to the rolling and the cumulative score.

Windows overlap, and even windows that share no sample come from one voice over one
channel, so their LLRs must not be added up as if they were independent. Both are put
right: a window weighs by the speech in the part of it that no earlier scored window
covered, and the sum over the worth of n windows is shrunk by Kish's design effect
(Kish, Survey Sampling, 1965) to n_eff = n / (1 + (n - 1) rho), rho being the correlation
of two windows of one stream, which the model's card states. With rho = 1 the score is
the weighted mean, with rho = 0 the sum.
"""

from collections import deque
from dataclasses import dataclass

from dfd.streaming.types import Score, Window

# A window without any speech (scored only where the model asks for none) still counts.
_LEAST_WEIGHT_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class _Entry:
    start_sample: int
    end_sample: int
    speech_seconds: float
    spoof_llr: float


class _Sum:
    """Adds entries in order of time."""

    def __init__(self, window_seconds: float, correlation: float) -> None:
        self._window_seconds = window_seconds
        self._correlation = correlation
        self._covered_until = 0
        self._weight = 0.0
        self._weighted_llr = 0.0

    def add(self, entry: _Entry) -> None:
        length = entry.end_sample - entry.start_sample
        fresh = entry.end_sample - max(entry.start_sample, self._covered_until)
        part = max(0, fresh) / length
        weight = max(entry.speech_seconds, _LEAST_WEIGHT_SECONDS) * part
        self._weight += weight
        self._weighted_llr += weight * entry.spoof_llr
        self._covered_until = max(self._covered_until, entry.end_sample)

    def score(self) -> Score:
        windows = max(1.0, self._weight / self._window_seconds)
        effective = windows / (1.0 + (windows - 1.0) * self._correlation)
        mean = self._weighted_llr / self._weight
        return Score(spoof_llr=mean * effective, speech_seconds=self._weight)


class Evidence:
    """The scores of one track.

    Provisional windows stand in until the first other window is scored: the latest of
    them alone is the rolling and the cumulative score.
    """

    def __init__(self, window_seconds: float, correlation: float, rolling_windows: int) -> None:
        self._window_seconds = window_seconds
        self._correlation = correlation
        self._recent: deque[_Entry] = deque(maxlen=rolling_windows)
        self._total = _Sum(window_seconds, correlation)
        self._probability_sum = 0.0
        self._windows = 0
        self._provisional_windows = 0
        self.rolling: Score | None = None
        self.cumulative: Score | None = None
        self.peak_rolling: Score | None = None

    @property
    def mean_spoof_probability(self) -> float | None:
        """Plain mean over the windows, over the provisional ones where no other was scored."""
        count = self._windows or self._provisional_windows
        return self._probability_sum / count if count else None

    def add(self, window: Window, spoof_llr: float) -> Score:
        """Takes the LLR of the next scored window of the track; returns its own score."""
        score = Score(spoof_llr, window.speech_seconds)
        if window.provisional:
            if self._windows:
                return score
            self._provisional_windows += 1
            self.rolling = self.cumulative = score
        else:
            if not self._windows:
                self._probability_sum = 0.0
            self._windows += 1
            entry = _Entry(window.start_sample, window.end_sample, window.speech_seconds, spoof_llr)
            self._recent.append(entry)
            self._total.add(entry)
            rolling = _Sum(self._window_seconds, self._correlation)
            for recent in self._recent:
                rolling.add(recent)
            self.rolling = rolling.score()
            self.cumulative = self._total.score()
        self._probability_sum += score.spoof_probability
        if self.peak_rolling is None or self.rolling.spoof_llr > self.peak_rolling.spoof_llr:
            self.peak_rolling = self.rolling
        return score
