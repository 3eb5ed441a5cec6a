import pytest

from dfd.daemon.errors import StatusError
from dfd.daemon.scheduling.batching import Kind, Outcome
from dfd.daemon.vitals.capacity import Capacity, Hold
from dfd.daemon.vitals.rate import ServiceRate
from dfd.streaming.types import WindowStatus


class Held:
    """A capacity of 20 windows per second with a manual clock; hops are 2 s, deadlines 3 s."""

    def __init__(self, **how: object) -> None:
        self.now = 100.0
        self.capacity = Capacity(lambda: self.now, 3.0, 1.5, **how)  # type: ignore[arg-type]
        self.rate = ServiceRate()
        self.rate.calibrate(0.05, 10, 0.5)

    def seconds_each(self) -> float | None:
        return self.rate.seconds_each

    def enter(self, channels: int, hop_seconds: float) -> Hold:
        return self.capacity.enter(channels, hop_seconds, self.seconds_each)

    def fill(self) -> int:
        """Admits as many streams as possible at once."""
        count = 0
        while True:
            try:
                self.enter(1, 2.0)
            except StatusError:
                return count
            count += 1


def scored(queue_seconds: float = 0.0, size: int = 10, seconds: float = 0.5) -> Outcome:
    return Outcome(WindowStatus.SCORED, 0.0, queue_seconds, seconds, size)


def test_starting_streams_count_for_more() -> None:
    held = Held()
    assert held.fill() == 15  # with a window per second each, three quarters of 20
    held.now += 4.0
    assert held.fill() == 7
    for _ in range(5):
        held.now += 4.0
        held.fill()
    assert held.capacity.demand <= 0.75
    assert held.fill() == 0


def test_a_refusal_says_what_to_do() -> None:
    held = Held()
    held.fill()
    with pytest.raises(StatusError) as caught:
        held.enter(1, 2.0)
    assert caught.value.reason == "OVERLOADED"
    assert caught.value.retry_seconds == 1.5
    assert "another server" in caught.value.message


def test_channels_and_short_hops_count() -> None:
    held = Held()
    held.enter(8, 0.8)  # 10 windows per second
    assert held.fill() == 5


def test_a_leaving_stream_frees_its_capacity_once() -> None:
    held = Held()
    hold = held.enter(1, 0.1)
    held.now += 4.0
    hold.leave()
    hold.leave()
    assert held.capacity.demand == 0.0


def test_a_slower_device_has_less_capacity() -> None:
    held = Held()
    for _ in range(60):
        held.rate.take(Kind.LIVE, scored(seconds=1.0))
    assert held.fill() == 7
    held = Held()
    for _ in range(60):  # small passes count too
        held.rate.take(Kind.LIVE, scored(size=1, seconds=0.1))
    assert held.fill() == 7


def test_a_long_wait_blocks_admission_for_one_deadline() -> None:
    held = Held()
    held.enter(1, 2.0)
    held.capacity.observe(Kind.PATIENT, scored(queue_seconds=60.0))
    assert held.capacity.why_not(0.025) is None
    held.capacity.observe(Kind.LIVE, scored(queue_seconds=1.6))
    assert held.capacity.why_not(0.025) == "windows wait too long"
    held.now += 3.1
    assert held.capacity.why_not(0.025) is None


def test_a_busy_loop_blocks_admission() -> None:
    held = Held()
    for _ in range(7):
        held.enter(1, 2.0)
    for _ in range(20):
        held.capacity.loop.look(7, 0.25, 0.8 * 0.25)
    assert held.capacity.why_not(0.0) == "this server's process is busy"
    held.capacity.loop.look(7, 1.0, 0.0)
    for _ in range(20):
        held.capacity.loop.look(7, 0.25, 0.01)
    assert held.capacity.why_not(0.0) is None
    held.capacity.loop.look(7, 0.9, 0.01)
    assert held.capacity.why_not(0.0) == "this server is behind with all its work"


def test_nothing_is_refused_if_no_stream_would_suffer() -> None:
    held = Held()
    held.capacity.observe(Kind.LIVE, scored(queue_seconds=9.0))
    held.enter(8, 0.1)


def test_streams_of_other_processes_count() -> None:
    held = Held(all_streams=lambda: 20)
    held.enter(1, 2.0)
    held.now += 4.0
    assert held.capacity.demand == pytest.approx(0.5)


def test_nothing_is_known_before_the_measurement() -> None:
    capacity = Capacity(lambda: 0.0, 3.0, 1.0)
    rate = ServiceRate()
    rate.take(Kind.LIVE, scored())
    for _ in range(1000):
        capacity.enter(1, 2.0, lambda: rate.seconds_each)


def test_models_share_the_devices() -> None:
    held, dear = Held(), ServiceRate()
    dear.calibrate(0.5, 1, 0.5)
    held.capacity.enter(1, 2.0, lambda: dear.seconds_each)
    held.now += 4.0
    assert held.capacity.demand == pytest.approx(0.25)
    assert held.fill() == 10  # of a twentieth each, where fifteen would be admitted alone


def test_fast_small_passes_say_little_about_large_ones() -> None:
    rate = ServiceRate()
    rate.calibrate(0.05, 10, 0.5)  # while the machine was busy
    for _ in range(1000):
        rate.observe(1, 0.0125)  # four times as fast as then
    assert rate.windows_per_second == pytest.approx(80.0, rel=0.01)
    rate = ServiceRate()
    rate.calibrate(0.05, 10, 0.1)  # large ones are cheap: 100 per second
    for _ in range(1000):
        rate.observe(1, 0.0125)
    assert rate.windows_per_second == pytest.approx(100.0)
    for _ in range(400):
        rate.observe(10, 0.4)
    assert rate.windows_per_second == pytest.approx(25.0, rel=0.01)


def test_one_fast_pass_lets_nobody_in() -> None:
    held = Held()
    for _ in range(5):
        held.now += 4.0
        held.fill()
    for _ in range(40):  # as long as others took as before, the mean is what counts
        for seconds in (0.1, 0.9):
            for _ in range(10):
                held.rate.take(Kind.LIVE, scored(seconds=seconds))
    for _ in range(10):
        held.rate.take(Kind.LIVE, scored(seconds=0.1))
    assert held.fill() <= 1


def test_what_is_faster_for_seconds_lets_others_in() -> None:
    held = Held()
    for _ in range(5):
        held.now += 4.0
        held.fill()
    for _ in range(400):
        held.rate.take(Kind.LIVE, scored(seconds=0.25))
    assert held.fill() >= 10


def test_starting_streams_that_leave_count_no_longer() -> None:
    held = Held()
    holds = [held.enter(1, 2.0) for _ in range(15)]
    assert held.fill() == 0
    for hold in holds[1:]:
        hold.leave()
    assert held.fill() == 14
