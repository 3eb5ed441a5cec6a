from dfd.clients.display import words
from dfd.clients.runs.latency import Latency, percentiles_ms
from dfd.clients.server_info import Calibration


def test_time() -> None:
    assert [words.clock(t) for t in (0, 61.9, 3725)] == ["0:00", "1:01", "1:02:05"]


def test_percentiles() -> None:
    assert percentiles_ms([]) is None
    found = percentiles_ms([k / 1000 for k in range(101)])
    assert found == {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100, "count": 101}
    one, other = Latency(), Latency()
    one.add(0.3, 0.1, 0.2)
    other.extend(one)
    assert other.report()["queue_ms"] == percentiles_ms([0.1])


def test_a_calibration_is_a_formula() -> None:
    found = words.calibration(Calibration(0.6, -0.154, 0.3))
    assert found == "LLR = 0.6 * log-odds - 0.154; n windows weigh as n / (1 + 0.3 (n - 1))"
    assert words.calibration(None) == "not stated"
