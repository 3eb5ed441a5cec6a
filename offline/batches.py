"""Windows of many recordings, scored in full batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfd.detector.buckets import stack
from dfd.detector.spec import Scorer
from dfd.offline.scores import Scores, Span, WindowScores
from dfd.streaming.types import Samples, Window


class Batches:
    """Collects windows and scores them in batches.

    Full and short windows are kept apart, so that full ones need no mask.

    Args:
        scorer: scores the windows.
        window_samples: length of a full window.
        batch: number of windows scored at once.
        filled: whether every batch is padded to a full window, or only to its longest.
    """

    def __init__(
        self, scorer: Scorer, window_samples: int, batch: int, *, filled: bool = True
    ) -> None:
        self._scorer = scorer
        self._window_samples = window_samples
        self._batch = batch
        self._filled = filled
        self._waiting: dict[bool, list[tuple[Samples, Scores, int]]] = {True: [], False: []}

    def add(self, samples: Samples, into: Scores, at: int) -> None:
        """Queues one window; its score will be written to `into[at]`, at the latest by `flush`."""
        queue = self._waiting[samples.size == self._window_samples]
        queue.append((samples, into, at))
        if len(queue) == self._batch:
            self._run(queue)

    def add_windows(self, windows: Sequence[Window]) -> WindowScores:
        """Queues the windows of a recording; returns the object that will contain their scores."""
        into = np.full(len(windows), np.nan)
        for at, window in enumerate(windows):
            self.add(window.samples, into, at)
        return WindowScores([Span.of(window) for window in windows], into)

    def flush(self) -> None:
        """Scores what is waiting."""
        for queue in self._waiting.values():
            self._run(queue)

    def _run(self, queue: list[tuple[Samples, Scores, int]]) -> None:
        if not queue:
            return
        windows = [samples for samples, _, _ in queue]
        size = self._window_samples if self._filled else max(map(len, windows))
        scores = self._scorer.score(*stack(windows, size))
        for (_, into, at), value in zip(queue, scores.tolist(), strict=True):
            into[at] = value
        queue.clear()
