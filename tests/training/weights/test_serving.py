from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.offline.scores import NO_WINDOWS, WindowScores
from dfd.training.weights.serving import (
    USUAL_CORRELATION,
    ServedAs,
    in_a_row,
    serving_facts,
)
from tests.offline.test_scores import scores as window_scores

SERVED = ServedAs("mine", padding="zero")


def recordings(count: int) -> list[Recording]:
    return [
        Recording(f"{index}.wav", index % 2, system=("human", "tts")[index % 2], source="s")
        for index in range(count)
    ]


def scores(rows: list[Recording], shift: float = 0.0) -> list[WindowScores]:
    draws = np.random.default_rng(0)
    return [window_scores(*draws.normal(2.0 * row.label - 1.0 + shift, 1.0, 3)) for row in rows]


def first(whole: list[WindowScores]) -> np.ndarray:
    return np.array([windows.llrs[0] if len(windows) else np.nan for windows in whole])


def facts_of(whole: list[WindowScores], rows: list[Recording]) -> dict[str, Any]:
    return serving_facts(whole, [first(whole)] * 2, in_a_row(rows, whole), rows, SERVED)


def test_properties_are_measured_on_the_served_model() -> None:
    rows = recordings(400)
    whole = scores(rows, shift=5.0)
    facts = facts_of(whole, rows)
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
    whole: list[WindowScores] = []
    for speaker in range(60):
        own = draws.normal(0.0, 2.0)
        for _ in range(2):
            label = speaker % 2
            rows.append(Recording(f"{len(rows)}", label, speaker=str(speaker)))
            whole.append(window_scores(*draws.normal(4.0 * label + own, 0.2, 2)))
    facts = facts_of(whole, rows)
    assert facts["evidence_correlation"] > 0.9


def test_recordings_without_scores_do_not_count() -> None:
    rows = recordings(40)
    whole = scores(rows)
    with_gap = [*whole, NO_WINDOWS]
    facts = facts_of(whole, rows)
    gap = facts_of(with_gap, [*rows, Recording("x", 1)])
    assert facts == gap


def test_too_little_data_uses_the_default_correlation() -> None:
    rows = [Recording("a", 0, speaker="a"), Recording("b", 1, speaker="b")]
    whole = [window_scores(-1.0), window_scores(1.0)]
    facts = facts_of(whole, rows)
    assert facts["evidence_correlation"] == USUAL_CORRELATION


def test_a_label_without_scores_is_one_line() -> None:
    rows = recordings(2)
    whole = [window_scores(-1.0), NO_WINDOWS]
    with pytest.raises(UserError, match="dev cannot calibrate"):
        facts_of(whole, rows)


def test_no_human_stream_reaches_the_thresholds() -> None:
    # single recordings raise no alert, but one speaker's in a row do
    rows = [Recording(f"{n}", 0, speaker=str(n // 4)) for n in range(80)]
    rows += [Recording(f"{n}", 1, system="tts", speaker="x") for n in range(80)]
    draws = np.random.default_rng(2)
    whole = [window_scores(*draws.normal(2.0 * row.label - 1.0, 1.0, 3)) for row in rows]
    whole[4:8] = [window_scores(0.4, 0.4, 0.4)] * 4
    facts = facts_of(whole, rows)
    calm = facts_of(whole, [replace(row, speaker=str(n)) for n, row in enumerate(rows)])
    assert facts["cumulative_threshold"] > calm["cumulative_threshold"]
    assert facts["rolling_threshold"] > calm["rolling_threshold"]
