from typing import Any

from dfd.bench.serve import holds, said, split


def test_latency_is_split_into_network_queue_and_compute() -> None:
    windows: list[dict[str, Any]] = [
        {"latency_ms": 100.0, "queue_ms": 30.0, "compute_ms": 50.0},
        {"latency_ms": 10.0, "queue_ms": 6.0, "compute_ms": 5.0},
        {"latency_ms": None, "queue_ms": 0.0, "compute_ms": 0.0},
    ]
    parts = split(windows)
    assert {name: part["max"] for name, part in parts.items()} == {
        "latency_ms": 100.0,
        "queue_ms": 30.0,
        "compute_ms": 50.0,
        "network_ms": 20.0,
    }
    assert {part["count"] for part in parts.values()} == {2}


def test_a_budget_breaks_by_latency_shedding_or_failure() -> None:
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
