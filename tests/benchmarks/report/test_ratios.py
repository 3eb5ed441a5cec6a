import json
from pathlib import Path
from typing import Any

import pytest

from dfd.benchmarks.report.ratios import ratios, read
from dfd.errors import UserError

HOST: dict[str, Any] = {"cpu": "a", "cores": 2, "load_before": 0.0, "date": "2026-01-01"}


def core(median: float, low: float, high: float, **machine: Any) -> dict[str, Any]:
    row = {"format": "pcm", "cpu_ms_per_stream_second": median, "cpu_ms_low": low}
    return {
        "benchmark": "core",
        "machine": HOST | machine,
        "results": [row | {"cpu_ms_high": high}],
    }


@pytest.mark.parametrize(
    ("after", "verdict"),
    [((1.0, 0.9, 1.1), "better"), ((2.1, 1.8, 2.3), "within the spread"), ((4, 3, 5), "worse")],
)
def test_a_figure_beyond_the_spread_is_better_or_worse(
    after: tuple[float, float, float], verdict: str
) -> None:
    found = ratios(core(2.0, 1.5, 2.5), core(*after))
    (row,) = found["rows"]
    assert row["verdict"] == verdict
    assert row["ratio"] == pytest.approx(after[0] / 2.0)
    assert found["same_machine"]


def test_another_machine_is_reported() -> None:
    assert not ratios(core(1, 1, 1), core(1, 1, 1, cores=4))["same_machine"]


def test_more_windows_per_second_are_better() -> None:
    def model(rate: float) -> dict[str, Any]:
        row = {"engine": "torchscript", "precision": "fp32", "batch": 1}
        rates = {f"windows_per_second{end}": rate for end in ("", "_low", "_high")}
        ratio = {"to": "transformers fp32", "median": rate, "low": rate, "high": rate}
        results = [row | rates | {"ratio": ratio}]
        return {"benchmark": "model", "model": "m", "machine": HOST, "results": results}

    rows = ratios(model(10.0), model(20.0))["rows"]
    assert [(row["ratio"], row["verdict"]) for row in rows] == [(2.0, "better")] * 2


@pytest.mark.parametrize("content", ["", "[]", '{"benchmark": "other"}'])
def test_a_file_that_is_not_a_report_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"a\.json is not a report: name a file that dfd bench"):
        read(path)


def test_reports_without_a_common_figure_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "core.json"
    path.write_text(json.dumps(core(1, 1, 1)))
    serve = {"benchmark": "serve", "machine": HOST, "streams_held": 3}
    with pytest.raises(UserError, match="one is a report of dfd bench core, the other of dfd"):
        ratios(read(path), serve)
    with pytest.raises(UserError, match="no figure in common"):
        ratios(serve, {"benchmark": "serve", "machine": HOST})
