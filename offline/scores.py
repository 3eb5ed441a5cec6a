"""The scores of a recording's windows, and their combination as the evidence of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dfd.detector.spec import Calibration
from dfd.streaming.judgement.evidence import Evidence
from dfd.streaming.options import ROLLING_WINDOWS, ModelTraits
from dfd.streaming.types import Window

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """A window without its samples."""

    start_sample: int
    end_sample: int
    speech_seconds: float
    provisional: bool = False

    @classmethod
    def of(cls, window: Window) -> Span:
        """Returns the position of a window and the amount of speech in it."""
        return cls(
            window.start_sample, window.end_sample, window.speech_seconds, window.provisional
        )


@dataclass(frozen=True, slots=True, eq=False)
class WindowScores:
    """The windows of one recording that were worth scoring, in order of time.

    Attributes:
        spans: their positions.
        llrs: float64 (n,), spoof log-likelihood ratios, or raw log-odds before calibration;
            NaN if the network gave no finite score, and before a window is scored.
    """

    spans: Sequence[Span]
    llrs: Scores

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def finite(self) -> bool:
        """Whether there are windows and all have scores."""
        return bool(len(self.spans) and np.isfinite(self.llrs).all())

    def calibrated(self, calibration: Calibration) -> WindowScores:
        """Returns a copy with LLRs instead of raw log-odds."""
        return replace(self, llrs=calibration.apply(self.llrs))

    def until(self, end_sample: int) -> WindowScores:
        """Returns the windows that end at or before a position."""
        count = sum(span.end_sample <= end_sample for span in self.spans)
        return WindowScores(self.spans[:count], self.llrs[:count])

    def evidence(self, model: ModelTraits, rolling_windows: int = ROLLING_WINDOWS) -> Evidence:
        """Returns the evidence at the end of a stream of these windows."""
        evidence = Evidence(model.window_samples / model.sample_rate_hz, model, rolling_windows)
        for span, llr in zip(self.spans, self.llrs.tolist(), strict=True):
            evidence.add(span, llr)
        return evidence

    def score(self, model: ModelTraits) -> float:
        """Returns the cumulative score as an LLR; NaN if a window has none or there are none."""
        if not self.finite:
            return float("nan")
        cumulative = self.evidence(model).cumulative
        assert cumulative is not None
        return cumulative.spoof_llr

    def peak(self, model: ModelTraits) -> float:
        """Returns the highest rolling score as an LLR; NaN as for `score`."""
        if not self.finite:
            return float("nan")
        peak = self.evidence(model).peak_rolling
        assert peak is not None
        return peak.spoof_llr


NO_WINDOWS = WindowScores((), np.zeros(0))


def joined(parts: Iterable[WindowScores]) -> WindowScores:
    """Joins recordings one after another into one."""
    spans: list[Span] = []
    llrs = [np.zeros(0)]
    offset = 0
    for part in parts:
        spans += [
            replace(
                span, start_sample=span.start_sample + offset, end_sample=span.end_sample + offset
            )
            for span in part.spans
        ]
        llrs.append(part.llrs)
        offset = spans[-1].end_sample if spans else 0
    return WindowScores(spans, np.concatenate(llrs))
