"""Combines window LLRs into the rolling and the cumulative score.

Windows overlap, and even windows that share no sample come from one voice over one
channel, so their LLRs must not be added up as if they were independent. Both effects are
corrected: a window is weighted by the speech in the part of it that no earlier scored window
covered, and the sum over the equivalent of n windows is reduced by Kish's design effect
(Kish, Survey Sampling, 1965) to n_eff = n / (1 + (n - 1) rho), where rho is the correlation
of two windows of one stream, which the model's card states. With rho = 1 the score is
the weighted mean, with rho = 0 the sum.

This needs calibrated LLRs. Models without them are scored as their authors scored files: by the
plain mean of the windows' probabilities, or by the first window alone.
"""

import math
from collections import deque
from typing import Protocol

from dfd.streaming.options import ModelTraits, UtteranceScore
from dfd.streaming.state import EvidenceState, PoolState, ScoredWindow
from dfd.streaming.types import Score

# A window without any speech (scored only if the model needs none) still counts.
_LEAST_WEIGHT_SECONDS = 1e-3
# A mean of probabilities may be exactly 0 or 1; its LLR must stay finite.
_LEAST_PROBABILITY = 1e-15
_EMPTY = PoolState()
_NOTHING = EvidenceState((), _EMPTY, 0.0, 0, 0, None, None, None)


class WindowSpan(Protocol):
    """What evidence needs to know about a window."""

    @property
    def start_sample(self) -> int:
        """Start position on the time line."""

    @property
    def end_sample(self) -> int:
        """End position on the time line."""

    @property
    def speech_seconds(self) -> float:
        """Amount of speech in it."""

    @property
    def provisional(self) -> bool:
        """Whether it is only a substitute for a later one."""


class _Coverage:
    """The speech covered by entries in order of time, counting overlap once."""

    def __init__(self, until: int = 0) -> None:
        self.until = until

    def add(self, entry: ScoredWindow) -> float:
        """Returns the speech that an entry is the first to cover, in seconds."""
        length = entry.end_sample - entry.start_sample
        fresh = entry.end_sample - max(entry.start_sample, self.until)
        self.until = max(self.until, entry.end_sample)
        return max(entry.speech_seconds, _LEAST_WEIGHT_SECONDS) * max(0, fresh) / length


class _Pool(Protocol):
    """The combined score of several windows."""

    def add(self, entry: ScoredWindow) -> None:
        """Adds an entry; entries come in order of time."""

    def score(self) -> Score:
        """Returns the combined score so far; there is at least one entry."""

    def state(self) -> PoolState:
        """Returns the state so far."""


class _Sum:
    """The sum of LLRs."""

    def __init__(self, window_seconds: float, correlation: float, state: PoolState) -> None:
        self._window_seconds = window_seconds
        self._correlation = correlation
        self._coverage = _Coverage(state.covered_until)
        self._weight = state.speech_seconds
        self._weighted_llr = state.total

    def add(self, entry: ScoredWindow) -> None:
        weight = self._coverage.add(entry)
        self._weight += weight
        self._weighted_llr += weight * entry.score.spoof_llr

    def score(self) -> Score:
        windows = max(1.0, self._weight / self._window_seconds)
        effective = windows / (1.0 + (windows - 1.0) * self._correlation)
        mean = self._weighted_llr / self._weight
        return Score(spoof_llr=mean * effective, speech_seconds=self._weight)

    def state(self) -> PoolState:
        return PoolState(self._coverage.until, self._weight, self._weighted_llr)


class _Mean:
    """The plain mean of probabilities."""

    def __init__(self, state: PoolState) -> None:
        self._coverage = _Coverage(state.covered_until)
        self._speech_seconds = state.speech_seconds
        self._sum = state.total
        self._count = state.count

    def add(self, entry: ScoredWindow) -> None:
        self._speech_seconds += self._coverage.add(entry)
        self._sum += entry.score.spoof_probability
        self._count += 1

    def score(self) -> Score:
        mean = self._sum / self._count
        mean = min(max(mean, _LEAST_PROBABILITY), 1.0 - _LEAST_PROBABILITY)
        return Score(math.log(mean / (1.0 - mean)), self._speech_seconds)

    def state(self) -> PoolState:
        return PoolState(self._coverage.until, self._speech_seconds, self._sum, self._count)


class _First:
    """The score of the first window, whatever follows."""

    def __init__(self, state: PoolState) -> None:
        self._first = Score(state.total, state.speech_seconds) if state.count else None

    def add(self, entry: ScoredWindow) -> None:
        self._first = self._first or entry.score

    def score(self) -> Score:
        assert self._first is not None
        return self._first

    def state(self) -> PoolState:
        if self._first is None:
            return PoolState()
        return PoolState(0, self._first.speech_seconds, self._first.spoof_llr, 1)


class Evidence:
    """The scores of one track.

    Until the first full window is scored, the latest provisional window alone is the rolling and
    the cumulative score.

    Args:
        window_seconds: length of a full window.
        model: says how windows are combined.
        rolling_windows: number of windows in the rolling score.
        state: state to continue from.
    """

    def __init__(
        self,
        window_seconds: float,
        model: ModelTraits,
        rolling_windows: int,
        state: EvidenceState = _NOTHING,
    ) -> None:
        self._window_seconds = window_seconds
        self._model = model
        self._recent = deque(state.recent, maxlen=rolling_windows)
        first = model.utterance_score is UtteranceScore.FIRST
        self._total: _Pool = _First(state.total) if first else self._pool(state.total)
        self._probability_sum = state.probability_sum
        self._windows = state.windows
        self._provisional_windows = state.provisional_windows
        self.rolling = state.rolling
        self.cumulative = state.cumulative
        self.peak_rolling = state.peak_rolling

    def state(self) -> EvidenceState:
        """Returns the state so far."""
        return EvidenceState(
            recent=tuple(self._recent),
            total=self._total.state(),
            probability_sum=self._probability_sum,
            windows=self._windows,
            provisional_windows=self._provisional_windows,
            rolling=self.rolling,
            cumulative=self.cumulative,
            peak_rolling=self.peak_rolling,
        )

    @property
    def mean_spoof_probability(self) -> float | None:
        """Plain mean over the windows, or over the provisional ones if no other was scored."""
        count = self._windows or self._provisional_windows
        return self._probability_sum / count if count else None

    def add(self, window: WindowSpan, spoof_llr: float) -> Score:
        """Adds the LLR of the track's next scored window; returns the window's own score."""
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
            entry = ScoredWindow(
                window.start_sample, window.end_sample, window.speech_seconds, score
            )
            self._recent.append(entry)
            self._total.add(entry)
            rolling = self._pool()
            for recent in self._recent:
                rolling.add(recent)
            self.rolling = rolling.score()
            self.cumulative = self._total.score()
        self._probability_sum += score.spoof_probability
        if self.peak_rolling is None or self.rolling.spoof_llr > self.peak_rolling.spoof_llr:
            self.peak_rolling = self.rolling
        return score

    def _pool(self, state: PoolState = _EMPTY) -> _Pool:
        if self._model.utterance_score is UtteranceScore.EVIDENCE:
            return _Sum(self._window_seconds, self._model.evidence_correlation, state)
        return _Mean(state)
