import numpy as np
import pytest

from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures.by_seconds import cut_into_streams, groups_to_join, point, scores_at
from dfd.streaming.options import ModelTraits
from tests.offline.test_scores import scores as window_scores

MODEL = ModelTraits(evidence_correlation=1.0)  # the score is the mean, weighted by new speech
SECOND = 16_000


def test_windows_that_ended_by_then() -> None:
    windows = [window_scores(1.0, 2.0, 6.0), window_scores(4.0), window_scores()]
    lengths = np.array([8, 4, 0]) * SECOND
    beginnings = {1.0: np.array([0.5, 0.25, np.nan])}

    def at(seconds: float) -> list[float]:
        made = scores_at(seconds, windows, beginnings, lengths, MODEL)
        return [float(score) for score in made[:2]]

    assert at(1.0) == [0.5, 0.25]
    assert at(4.0) == [1.0, 4.0]
    assert at(6.0) == [(2 * 1.0 + 2.0) / 3, 4.0]
    assert at(8.0) == [(2 * 1.0 + 2.0 + 6.0) / 4, 4.0]
    assert np.isnan(scores_at(4.0, windows, beginnings, lengths, MODEL)[2])


def test_a_point_counts_what_was_used() -> None:
    scores = np.array([-1.0, 1.0, -2.0, 2.0, np.nan])
    labels = np.array([0, 1, 0, 1, 1])
    lengths = np.array([4, 4, 2, 2, 0]) * SECOND
    made = point(4.0, scores, labels, lengths)
    assert (made["eer"], made["n_bonafide"], made["n_spoof"]) == (0.0, 2, 2)
    assert (made["heard_whole"], made["all_there_is"]) == (2, False)
    assert made["mean_seconds_heard"] == 3.0
    assert made["miss_rate_at_1_percent"] == 0.0
    assert made["llr_quartiles_spoof"] == [1.25, 1.5, 1.75]
    later = point(8.0, scores, labels, lengths)
    assert later["all_there_is"]


def test_one_label_has_no_eer() -> None:
    made = point(1.0, np.zeros(2), np.zeros(2, np.int64), np.full(2, SECOND))
    assert made["eer"] is made["miss_rate_at_1_percent"] is None
    assert made["llr_quartiles_spoof"] is None


def row(speaker: str, label: int = 0, source: str = "s", system: str = "human") -> Recording:
    return Recording("f", label, speaker=speaker, source=source, system=system)


@pytest.mark.parametrize(
    "other",
    [row("y"), row("x", 1), row("x", source="t"), row("x", system="tts:a")],
)
def test_only_one_voice_is_joined(other: Recording) -> None:
    rows = [row("x"), other, row("x")]
    usable = np.ones(3, bool)
    assert groups_to_join(rows, usable, unknown_speakers=False) == [[0, 2]]
    usable[2] = False
    assert groups_to_join(rows, usable, unknown_speakers=False) == []


def test_unknown_speakers_are_joined_on_demand() -> None:
    rows = [row(""), row(""), row("", source="t")]
    usable = np.ones(3, bool)
    assert groups_to_join(rows, usable, unknown_speakers=False) == []
    assert groups_to_join(rows, usable, unknown_speakers=True) == [[0, 1]]


def test_streams_end_when_they_are_long_enough() -> None:
    lengths = np.array([5, 5, 5, 5, 5, 5]) * SECOND
    assert cut_into_streams([[0, 1, 2, 3, 4]], lengths, 9.0) == [[0, 1], [2, 3]]
    assert cut_into_streams([[0, 2, 4], [1, 3, 5]], lengths, 60.0) == [[0, 2, 4], [1, 3, 5]]
