from typing import Any

from dfd.benchmarks.serve.capacity import holds, said


def test_a_budget_is_exceeded_by_latency_shedding_or_failures() -> None:
    good: dict[str, Any] = {"streams": 3, "shed": 0, "failed": 0, "latency_ms": {"p99": 499.0}}
    assert holds(good, 500.0)
    assert said(good, 500.0) == "3 streams: p99 499 ms, 0 shed, held"
    for change in (
        {"latency_ms": {"p99": 501.0}},
        {"shed": 1},
        {"failed": 1},
        {"latency_ms": None},
    ):
        assert not holds(good | change, 500.0)
        assert said(good | change, 500.0).endswith("broken")
