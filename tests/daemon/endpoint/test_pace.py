"""Fast senders are read more slowly, and the others are not affected."""

import pytest

from dfd.daemon.endpoint.ledger import OwnLedger
from dfd.daemon.endpoint.pace import Paces
from dfd.daemon.options import ServeOptions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paces(clock: Clock, by_stream: int = 1000, by_peer: int = 3000) -> Paces:
    return Paces(
        ServeOptions(max_stream_bytes_per_second=by_stream, max_peer_bytes_per_second=by_peer),
        clock=clock,
    )


def test_a_stream_is_limited_to_its_rate_after_a_burst(clock: Clock) -> None:
    take = paces(clock).of_stream("ipv4:127.0.0.1:5", 0.0)
    assert take(936) == 0.0  # a second's worth, with the cost of the message
    assert take(936) == pytest.approx(1.0)
    clock.now += 1.0
    assert take(936) == pytest.approx(1.0)
    clock.now += 60.0
    assert take(936) == 0.0  # silence gives credit for at most one burst
    assert take(936) == pytest.approx(1.0)


def test_messages_without_audio_count_too(clock: Clock) -> None:
    take = paces(clock).of_stream("ipv4:127.0.0.1:5", 0.0)
    assert max(take(0) for _ in range(100)) > 5.0


def test_no_live_format_is_slowed_down(clock: Clock) -> None:
    take = paces(clock).of_stream("ipv4:127.0.0.1:5", 64_000.0)
    for _ in range(100):
        assert take(6400) == 0.0
        clock.now += 0.1


def test_the_streams_of_an_address_share_its_rate(clock: Clock) -> None:
    all_ = paces(clock)
    one, two = (all_.of_stream(f"ipv4:10.0.0.7:{port}", 9000.0) for port in (1, 2))
    other = all_.of_stream("ipv4:10.0.0.8:1", 9000.0)
    assert one(2936) == 0.0
    assert two(2936) == pytest.approx(1.0)
    assert other(2936) == 0.0
    # a new stream does not start with a new burst
    assert all_.of_stream("ipv4:10.0.0.7:3", 9000.0)(0) > 0.9
    assert all_.of_peer("unix:")(10**9) == 0.0


def test_quiet_addresses_are_forgotten(clock: Clock) -> None:
    all_ = paces(clock)
    for number in range(5000):
        all_.of_peer(f"ipv4:10.0.{number // 256}.{number % 256}:1")(1)
        clock.now += 1.0
    assert isinstance(all_._ledger, OwnLedger)
    assert len(all_._ledger._paid) <= 1025
