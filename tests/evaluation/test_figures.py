import numpy as np
import pytest

from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures import evaluate, summary

ROWS = [
    Recording(f"{source}{label}{index}", label, system="tts:x" if label else "human", source=source)
    for source in ("a", "b")
    for label in (0, 1)
    for index in range(10)
] + [Recording(f"c{index}", 0, system="human", source="c") for index in range(5)]
LABELS = np.array([row.label for row in ROWS])
LLRS = np.random.default_rng(0).normal(size=len(ROWS)) + 4.0 * LABELS - 2


def test_figures() -> None:
    figures = evaluate(LLRS, ROWS, threshold=0.9, bootstrap_repeats=20)
    assert next(iter(figures)) == "pooled"
    assert list(figures["pooled"])[:3] == ["eer", "n_bonafide", "n_spoof"]
    assert (figures["pooled"]["n_bonafide"], figures["pooled"]["n_spoof"]) == (25, 20)
    assert figures["by_source"]["c"]["eer"] is None
    assert figures["by_system"]["tts:x"]["n_spoof"] == 20
    within = [figures["by_source"][name]["eer"] for name in ("a", "b")]
    assert figures["within_source_mean_eer"] == pytest.approx(np.mean(within))
    assert figures["unreadable"] == {"count": 0, "files": []}
    assert 0 <= figures["pooled"]["miss_rate"] <= 1


def test_unreadable_are_named_and_left_out() -> None:
    llrs = LLRS.copy()
    llrs[0] = np.nan
    figures = evaluate(llrs, ROWS, bootstrap_repeats=0)
    assert figures["unreadable"] == {"count": 1, "files": ["a00"]}
    assert figures["pooled"]["n_bonafide"] == 24
    assert "eer_interval" not in figures["pooled"]


def test_summary() -> None:
    figures = summary(LLRS, ROWS)
    assert set(figures) == {"eer", "within_source_eer", "min_cllr"}
