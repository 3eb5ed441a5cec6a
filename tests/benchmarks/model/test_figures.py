from dfd.benchmarks.model.figures import best, results, said

KEY = ("torchscript", "fp32", 2)


def test_ratios_are_computed_per_round() -> None:
    """A slow round affects both, and their ratio stays the same."""
    times = {("transformers", "fp32", 2): [2.0, 20.0, 2.0], KEY: [1.0, 10.0, 1.0]}
    rows = results(times, operations=100, peaks={"fp32": 1000.0})
    assert [row["windows_per_second"] for row in rows] == [1.0, 2.0]
    assert "ratio" not in rows[0]
    ratio = rows[1]["ratio"]
    assert (ratio["to"], ratio["median"]) == ("transformers fp32", 2.0)
    assert (ratio["low"], ratio["high"]) == (2.0, 2.0)
    assert rows[1]["of_peak"] == 0.2
    assert best(rows) == {"transformers fp32": 1.0, "torchscript fp32": 2.0}


def test_without_a_reference_ratios_are_relative_to_our_fp32() -> None:
    rows = results({KEY: [1.0], ("torchscript", "int8", 2): [0.5]}, 1, {})
    assert rows[1]["ratio"] == {"to": "torchscript fp32", "median": 2.0, "low": 2.0, "high": 2.0}
    assert rows[1]["of_peak"] is None


def test_missing_figures_are_not_an_error() -> None:
    assert results({}, 1, {}) == []
    assert said(KEY, [1.0]) == "torchscript fp32, batch 2: 2.00 windows/s, measured once"
    assert said(KEY, [1.0, 2.0, 3.0]).endswith("1.00 windows/s, measured 3 times")
