import re
from typing import Any

import numpy as np
import pytest

from dfd.evaluation.corpus import Recording
from dfd.evaluation.evaluate import RunOptions, evaluate_scores
from dfd.evaluation.figures.curves import curves
from dfd.evaluation.pages import plots
from dfd.evaluation.pages.report import report
from dfd.evaluation.pages.text import lines_of
from dfd.evaluation.trials import from_manifest

LABELS = np.repeat([0, 1], 400)
LLRS = np.random.default_rng(0).normal(size=800) * 2 + 2.0 * LABELS - 1


@pytest.fixture
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("trials")
    rows = [
        f"{index}.wav\t{('bonafide', 'spoof')[label]}\t<b>{index % 3}</b>\tsource {index % 2}"
        for index, label in enumerate(LABELS.tolist())
    ]
    (folder / "m.tsv").write_text("file\tlabel\tsystem\tsource\n" + "\n".join(rows) + "\n")
    llrs = LLRS.copy()
    llrs[7] = np.nan
    trials = from_manifest(folder / "m.tsv", folder)
    return evaluate_scores(trials, llrs, RunOptions(bootstrap_repeats=20, compare=True))


def test_the_page_contains_its_plots(figures: dict[str, Any]) -> None:
    page = report(figures)
    assert page.count("<svg ") == 6
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = re.findall(r'(?:xlink:href="|url\()#([^")]+)', page)
    assert set(targets) <= set(ids)
    assert f"{100 * figures['pooled']['eer']:.2f}" in page
    assert "1 recordings have no score" in page


def test_names_are_not_markup(figures: dict[str, Any]) -> None:
    page = report(figures)
    assert "<b>0</b>" not in page
    assert "&lt;b&gt;0&lt;/b&gt;" in page


def test_plotting_does_not_change_matplotlibs_settings() -> None:
    import matplotlib

    before = matplotlib.rcParams["font.size"]
    drawn = plots.det(curves(LLRS, LABELS)["roc"], 0.3)
    assert drawn.startswith("<svg ")
    assert "EER 30.0 %" in drawn
    assert matplotlib.rcParams["font.size"] == before


def test_curves_keep_the_shape() -> None:
    made = curves(LLRS, LABELS)
    roc = made["roc"]
    assert len(roc["threshold_llr"]) <= 300
    for threshold, false_alarm, miss in zip(*roc.values(), strict=True):
        assert false_alarm == pytest.approx((LLRS[LABELS == 0] >= threshold).mean())
        assert miss == pytest.approx((LLRS[LABELS == 1] < threshold).mean())
    histogram = made["histogram"]
    assert sum(histogram["bonafide"]) == sum(histogram["spoof"]) == 400
    assert sum(entry["count"] for entry in made["calibration"]) == 800
    assert sum(e["count"] * e["spoof_share"] for e in made["calibration"]) == pytest.approx(400)


def test_equal_scores_can_be_plotted() -> None:
    made = curves(np.zeros(4), np.array([0, 0, 1, 1]))
    assert sum(made["histogram"]["spoof"]) == 2
    assert plots.histogram(made["histogram"], 0.5).startswith("<svg ")
    assert plots.det(made["roc"], 0.5).startswith("<svg ")


def test_words(figures: dict[str, Any]) -> None:
    lines = list(lines_of(figures))
    assert lines[0].startswith(f"EER {100 * figures['pooled']['eer']:.2f} % (")
    assert lines[0].endswith("399 bona fide, 400 spoof, 1 without a score") or lines[0].endswith(
        "400 bona fide, 399 spoof, 1 without a score"
    )
    assert lines[1].startswith("manifest, all rows: 800 trials, list sha256 ")
    assert "published: no figures are known for manifest" in lines


def test_the_size_of_a_published_set_is_stated(figures: dict[str, Any]) -> None:
    figures["trials"]["official_count"] = 71_237
    assert "800 trials, where the published set has 71,237" in list(lines_of(figures))[1]
    figures["trials"]["official_count"] = 800
    assert "all 800 trials" in list(lines_of(figures))[1]


def test_recordings_have_a_name() -> None:
    assert Recording("a.wav", 0).name == "a.wav"
    assert Recording("a.wav", 0, utterance="LA_E_1").name == "LA_E_1"
