import pytest

from dfd.clients.errors import DetectionError
from dfd.clients.options import RetryPolicy
from dfd.clients.transport.retry import Backoff

GONE = DetectionError("UNAVAILABLE")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(RetryPolicy(), 1000.0, Clock(), lambda: 1.0)
    delays = [backoff.next_delay(GONE) for _ in range(7)]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    backoff = Backoff(RetryPolicy(), 1000.0, Clock(), lambda: 0.0)
    assert backoff.next_delay(GONE) == pytest.approx(0.1)


def test_the_servers_requested_delay_is_respected() -> None:
    full = DetectionError("RESOURCE_EXHAUSTED", retry_after_seconds=3.0)
    assert Backoff(RetryPolicy(), 10.0, Clock(), lambda: 0.0).next_delay(full) == 3.0


def test_time_runs_out() -> None:
    clock = Clock()
    backoff = Backoff(RetryPolicy(), 2.0, clock, lambda: 1.0)
    assert backoff.next_delay(GONE) is not None
    clock.now += 1.9
    assert backoff.next_delay(GONE) is None
    assert Backoff(RetryPolicy(), 0.0).next_delay(GONE) is None


def test_attempts_run_out() -> None:
    backoff = Backoff(RetryPolicy(max_attempts=3), 1000.0, Clock())
    given = [backoff.next_delay(GONE) is None for _ in range(3)]
    assert given == [False, False, True]


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "INTERNAL", "ABORTED"])
def test_other_errors_are_final(code: str) -> None:
    assert Backoff(RetryPolicy(), 10.0).next_delay(DetectionError(code)) is None
