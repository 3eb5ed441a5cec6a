import itertools
import math

import numpy as np
import pytest

from dfd.daemon.journal.scores import CallScores
from dfd.streaming.types import Score, Window, WindowResult, WindowStatus

RATE = 1000


def result(end: float, probability: float | None, channel: int = 0) -> WindowResult:
    last = round(end * RATE)
    silence = np.zeros(RATE, np.float32)
    window = Window(channel, 0, last - RATE, last, RATE, silence, 1.0, 0.0, False, False, True)
    score = None
    if probability is not None:
        score = Score(math.log(probability / (1.0 - probability)), 1.0)
    status = WindowStatus.SCORED if score else WindowStatus.INSUFFICIENT_SPEECH
    return WindowResult(window, status, score, score, score)


def test_windows_are_stored_per_channel() -> None:
    scores = CallScores()
    for said in (result(1.0, 0.25), result(1.0, 0.5, channel=1), result(2.5, None)):
        scores.window(said)
    assert scores.rows() == [
        {"channel": 0, "every": 1, "points": [[1.0, 0.25, 0.25, 0.25], [2.5, None, None, None]]},
        {"channel": 1, "every": 1, "points": [[1.0, 0.5, 0.5, 0.5]]},
    ]


def test_no_windows_give_no_scores() -> None:
    assert CallScores().rows() == []


@pytest.mark.parametrize("windows", [8, 9, 10, 1000, 1001])
def test_a_long_call_is_thinned_evenly(windows: int) -> None:
    scores = CallScores(most=8)
    for at in range(windows):
        scores.window(result(at + 1.0, 0.5))
    (row,) = scores.rows()
    ends = [point[0] for point in row["points"]]
    assert ends[0] == 1.0
    assert ends[-1] == windows
    assert 4 < len(ends) <= 9
    assert all(b - a == row["every"] for a, b in itertools.pairwise(ends[:-1]))
