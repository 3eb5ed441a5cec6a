import numpy as np
import pytest

from dfd.evaluation.corpus import CorpusError, Recording
from dfd.training.serving import USUAL_CORRELATION, ServedAs, serving_facts

SERVED = ServedAs("mine", padding="zero")


def recordings(count: int) -> list[Recording]:
    return [
        Recording(f"{index}.wav", index % 2, system=("human", "tts")[index % 2], source="s")
        for index in range(count)
    ]


def scores(rows: list[Recording], shift: float = 0.0) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    return [draws.normal(2.0 * row.label - 1.0 + shift, 1.0, 3) for row in rows]


def test_facts_are_measured_on_what_is_served() -> None:
    rows = recordings(400)
    whole = scores(rows, shift=5.0)
    beginnings = [[odds[:1] for odds in whole]] * 2
    facts = serving_facts(whole, beginnings, rows, SERVED)
    # normal scores of unit variance at -1 and 1 are log-likelihood ratios when doubled
    assert facts["calibration"]["scale"] == pytest.approx(2.0, abs=0.3)
    assert facts["calibration"]["offset"] == pytest.approx(-10.0, abs=1.5)
    # windows are independent here
    assert facts["evidence_correlation"] < 0.05
    assert 0.5 < facts["rolling_threshold"] < 1.0
    assert (facts["name"], facts["padding"], facts["window_samples"]) == ("mine", "zero", 64_000)


def test_windows_of_one_voice_that_agree_are_correlated() -> None:
    draws = np.random.default_rng(1)
    rows: list[Recording] = []
    whole: list[np.ndarray] = []
    for speaker in range(60):
        own = draws.normal(0.0, 2.0)
        for _ in range(2):
            label = speaker % 2
            rows.append(Recording(f"{len(rows)}", label, speaker=str(speaker)))
            whole.append(draws.normal(4.0 * label + own, 0.2, 2))
    facts = serving_facts(whole, [whole, whole], rows, SERVED)
    assert facts["evidence_correlation"] > 0.9


def test_recordings_without_scores_do_not_count() -> None:
    rows = recordings(40)
    whole = scores(rows)
    with_gap = [*whole, np.zeros(0)]
    facts = serving_facts(whole, [whole, whole], rows, SERVED)
    gap = serving_facts(with_gap, [with_gap, with_gap], [*rows, Recording("x", 1)], SERVED)
    assert facts == gap


def test_too_little_for_streams_takes_the_usual_correlation() -> None:
    rows = [Recording("a", 0, speaker="a"), Recording("b", 1, speaker="b")]
    whole = [np.array([-1.0]), np.array([1.0])]
    facts = serving_facts(whole, [whole, whole], rows, SERVED)
    assert facts["evidence_correlation"] == USUAL_CORRELATION


def test_a_label_without_scores_is_one_line() -> None:
    rows = recordings(2)
    whole = [np.array([-1.0]), np.zeros(0)]
    with pytest.raises(CorpusError, match="dev cannot calibrate"):
        serving_facts(whole, [whole, whole], rows, SERVED)
