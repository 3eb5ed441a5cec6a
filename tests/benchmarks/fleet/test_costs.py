import pytest

from dfd.benchmarks.fleet.costs import NodeKind, PassCost, fit_pass_cost, passes_of, plan


def kind(**changes: float) -> NodeKind:
    values: dict[str, float] = {
        "front_cores": 1.0,
        "front_seconds": 0.002,
        "windows_per_second": 100.0,
        "price_per_hour": 0.1,
    }
    return NodeKind(name="small", scorers=1, **(values | changes))


def test_a_line_through_passes_of_several_sizes() -> None:
    cost = fit_pass_cost([(1, 0.008), (8, 0.043), (16, 0.083)])
    assert cost.fixed_seconds == pytest.approx(0.003)
    assert cost.window_seconds == pytest.approx(0.005)
    assert cost.seconds(4) == pytest.approx(0.023)


def test_passes_of_a_report_count_what_is_new_to_the_model() -> None:
    results = [
        {"engine": "torchscript", "precision": "int8", "batch": 1, "windows_per_second": 50.0},
        {"engine": "torchscript", "precision": "int8", "batch": 4, "windows_per_second": 100.0},
        {"engine": "torchscript", "precision": "fp32", "batch": 1, "windows_per_second": 30.0},
        {"engine": "openvino", "precision": "int8", "batch": 1, "windows_per_second": 20.0},
    ]
    report = {"window_seconds": 4.0, "results": results}
    assert passes_of(report, "int8", 2.0) == [(2.0, 0.02), (8.0, 0.04)]
    ((windows, seconds),) = passes_of(report, "fp32", 4.0)
    assert windows == 1.0
    assert seconds == pytest.approx(1 / 30)
    with pytest.raises(ValueError, match="no results of torchscript in bf16"):
        passes_of(report, "bf16", 4.0)


def test_noise_never_gives_a_cost_of_zero() -> None:
    assert fit_pass_cost([(1, 0.001), (2, 0.01)]).fixed_seconds == 0.0
    with pytest.raises(ValueError, match="at least two batch sizes"):
        fit_pass_cost([(4, 0.1), (4, 0.2)])


def test_the_scarcest_resource_limits_a_node() -> None:
    assert (kind().streams(2.0, 1.0), kind().limit(2.0)) == (200, "scoring")
    fast = kind(windows_per_second=1000.0)
    assert (fast.streams(2.0, 1.0), fast.limit(2.0)) == (500, "front")
    assert kind().streams(2.0, 0.5) == 100


def test_a_plan_includes_spare_nodes() -> None:
    found = plan(kind(), 1001, hop_seconds=2.0, utilisation=0.5, spare_nodes=2)
    assert (found.streams_each, found.nodes) == (100, 13)
    assert found.price_per_hour == pytest.approx(1.3)
    with pytest.raises(ValueError, match="small cannot hold a stream"):
        plan(kind(windows_per_second=0.1), 10, hop_seconds=2.0, utilisation=0.5, spare_nodes=0)


def test_the_cost_of_a_pass_depends_on_its_windows() -> None:
    assert PassCost(0.001, 0.002).seconds(3) == pytest.approx(0.007)
