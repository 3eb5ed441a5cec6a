import json

import numpy as np
import pytest

from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures import metrics
from dfd.evaluation.figures.breakdown import FigureOptions, evaluate, summary
from dfd.evaluation.figures.tdcf import AsvScores
from dfd.evaluation.trials import BY_CODEC, Against, Table

ROWS = [
    Recording(
        f"{source}{label}{index}",
        label,
        system=f"tts:{source}" if label else "human",
        source=source,
        codec="none" if index % 2 else "gsm",
    )
    for source in ("a", "b")
    for label in (0, 1)
    for index in range(10)
] + [Recording(f"c{index}", 0, system="human", source="c") for index in range(5)]
LABELS = np.array([row.label for row in ROWS])
SOURCES = np.array([row.source for row in ROWS])
LLRS = np.random.default_rng(0).normal(size=len(ROWS)) + 4.0 * LABELS - 2


def test_figures() -> None:
    figures = evaluate(LLRS, ROWS, FigureOptions(threshold=0.9, bootstrap_repeats=20))
    assert list(figures)[:3] == ["pooled", "by_source", "by_system"]
    assert list(figures["pooled"])[:3] == ["eer", "n_bonafide", "n_spoof"]
    assert (figures["pooled"]["n_bonafide"], figures["pooled"]["n_spoof"]) == (25, 20)
    low, high = figures["pooled"]["eer_interval"]
    assert low <= figures["pooled"]["eer"] <= high
    assert figures["by_source"]["c"]["eer"] is None
    assert figures["by_system"]["tts:a"]["n_spoof"] == 10
    assert figures["by_system"]["tts:a"]["n_bonafide"] == 25
    within = [figures["by_source"][name]["eer"] for name in ("a", "b")]
    assert figures["within_source_mean_eer"] == pytest.approx(np.mean(within))
    json.dumps(figures, allow_nan=False)


def test_rates_at_the_threshold() -> None:
    figures = evaluate(LLRS, ROWS, FigureOptions(threshold=0.5, bootstrap_repeats=0))
    assert figures["pooled"]["false_alarm_rate"] == (LLRS[LABELS == 0] >= 0).mean()
    assert figures["pooled"]["miss_rate"] == (LLRS[LABELS == 1] < 0).mean()
    assert "miss_rate" not in figures["by_source"]["c"]
    assert "eer_interval" not in figures["pooled"]


def test_what_a_group_is_compared_with() -> None:
    tables = (BY_CODEC, Table("by_vocoder", "system", Against.SOURCE))
    figures = evaluate(LLRS, ROWS, FigureOptions(bootstrap_repeats=0, tables=tables))
    gsm = np.array([row.codec == "gsm" for row in ROWS])
    assert figures["by_codec"]["gsm"]["eer"] == metrics.eer(LLRS[gsm], LABELS[gsm])
    a = SOURCES == "a"
    assert figures["by_vocoder"]["tts:a"]["eer"] == metrics.eer(LLRS[a], LABELS[a])
    assert figures["by_vocoder"]["tts:a"]["n_bonafide"] == 10
    assert figures["tables"]["by_codec"] == {"by": "codec", "against": Against.GROUP.value}


def test_tandem_cost_of_each_attack() -> None:
    asv = AsvScores(
        target=np.array([3.0, 4.0]),
        nontarget=np.array([0.0, 1.0]),
        spoof=np.array([5.0, 0.5]),
        attacks=np.array(["tts:a", "tts:a"]),
    )
    llrs = LLRS - 3.0 * LABELS  # a worse verifier, for which a cost is defined
    figures = evaluate(llrs, ROWS, FigureOptions(bootstrap_repeats=0, asv=asv))
    assert 0 < figures["pooled"]["min_tdcf"] < 1
    assert figures["by_system"]["tts:a"]["min_tdcf"] is not None
    assert figures["by_system"]["tts:b"]["min_tdcf"] is None
    assert figures["pooled"]["asv"]["spoof_acceptance_rate"] == 0.5


def test_recordings_without_names_make_no_groups() -> None:
    bare = [Recording(row.file, row.label) for row in ROWS]
    figures = evaluate(LLRS, bare, FigureOptions(bootstrap_repeats=0))
    assert figures["by_source"] == figures["by_system"] == {}
    assert figures["within_source_mean_eer"] is None


def test_summary() -> None:
    figures = summary(LLRS, ROWS)
    assert set(figures) == {"eer", "within_source_eer", "min_cllr"}
