"""The scores of one call over time, for the journal; few, however long the call."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import Any

from dfd.streaming.types import Score, WindowResult

MOST_WINDOWS = 256
_FIELDS = 4


@dataclass(slots=True)
class _Channel:
    """For every n-th window: end, window, rolling and cumulative probability, NaN for none."""

    every: int = 1
    seen: int = 0
    kept: array[float] = field(default_factory=lambda: array("f"))
    last: tuple[float, ...] = ()

    def take(self, point: tuple[float, ...], most: int) -> None:
        self.last = point
        if self.seen % self.every == 0:
            self.kept.extend(point)
            if len(self.kept) > most * _FIELDS:
                self.kept = _every_second(self.kept)
                self.every *= 2
        self.seen += 1

    def points(self) -> list[list[float | None]]:
        """Returns the windows that were kept, and always the last one."""
        kept = self.kept.tolist()
        found = [kept[at : at + _FIELDS] for at in range(0, len(kept), _FIELDS)]
        if (self.seen - 1) % self.every:
            found.append(list(self.last))
        return [[_rounded(value) for value in point] for point in found]


class CallScores:
    """Keeps windows of one call; if a channel has more than `most`, drops every second one."""

    def __init__(self, most: int = MOST_WINDOWS) -> None:
        self._most = most
        self._channels: dict[int, _Channel] = {}

    def window(self, result: WindowResult) -> None:
        """Adds a resolved window."""
        scores = (result.window_score, result.rolling_score, result.cumulative_score)
        point = (result.window.end_seconds, *map(_probability, scores))
        self._channels.setdefault(result.window.channel, _Channel()).take(point, self._most)

    def rows(self) -> list[dict[str, Any]]:
        """Returns a row for each channel: `points`, one for each `every` windows."""
        return [
            {"channel": number, "every": one.every, "points": one.points()}
            for number, one in sorted(self._channels.items())
        ]


def _every_second(kept: array[float]) -> array[float]:
    thinned = array("f")
    for at in range(0, len(kept), 2 * _FIELDS):
        thinned.extend(kept[at : at + _FIELDS])
    return thinned


def _probability(score: Score | None) -> float:
    return math.nan if score is None else score.spoof_probability


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
