import random

from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.rtp.jitter import JitterBuffer, Released
from dfd.bridges.rtp.packets import RtpPacket


def packet(number: int) -> RtpPacket:
    return RtpPacket(0, number & 0xFFFF, (number * 160) & 0xFFFFFFFF, 1, False, b"")


def numbers(released: list[Released]) -> list[int]:
    return [one.packet.sequence for one in released]


def test_packets_in_order_are_not_delayed_after_the_start() -> None:
    buffer = JitterBuffer(0.2)
    assert buffer.push(packet(10), 0.0) == []
    assert numbers(buffer.poll(0.2)) == [10]
    assert numbers(buffer.push(packet(11), 0.2)) == [11]
    assert numbers(buffer.push(packet(12), 0.22)) == [12]
    assert not buffer.waiting


def test_the_call_starts_with_the_earliest_of_the_first_packets() -> None:
    buffer = JitterBuffer(0.2)
    for number in (11, 10, 12):
        buffer.push(packet(number), 0.0)
    assert numbers(buffer.poll(0.2)) == [10, 11, 12]


def test_a_missing_packet_is_waited_for() -> None:
    buffer = JitterBuffer(0.2)
    buffer.push(packet(1), 0.0)
    buffer.poll(1.0)
    assert buffer.push(packet(3), 1.0) == []
    assert numbers(buffer.push(packet(2), 1.1)) == [2, 3]
    assert buffer.counts.reordered == 1
    assert buffer.counts.lost == 0


def test_a_missing_packet_is_given_up_and_counted() -> None:
    buffer = JitterBuffer(0.2)
    buffer.push(packet(1), 0.0)
    buffer.poll(1.0)
    buffer.push(packet(4), 1.0)
    assert buffer.poll(1.19) == []
    (released,) = buffer.poll(1.25)
    assert (released.packet.sequence, released.lost) == (4, 2)
    assert buffer.push(packet(2), 1.3) == []
    assert buffer.push(packet(4), 1.3) == []
    assert (buffer.counts.lost, buffer.counts.late, buffer.counts.duplicate) == (2, 1, 1)


def test_held_packets_are_bounded() -> None:
    buffer = JitterBuffer(1e9, max_packets=5)
    buffer.push(packet(1), 0.0)
    assert numbers(buffer.flush()) == [1]
    for number in range(3, 8):
        assert buffer.push(packet(number), 0.0) == []
    assert numbers(buffer.push(packet(8), 0.0)) == [3, 4, 5, 6, 7, 8]


def test_a_restarted_sender_is_accepted_from_its_second_packet() -> None:
    buffer = JitterBuffer(0.0)
    buffer.push(packet(5), 0.0)
    assert buffer.push(packet(40000), 0.1) == []
    (released,) = buffer.push(packet(40001), 0.2)
    assert released.restarted
    assert numbers(buffer.push(packet(40002), 0.3)) == [40002]
    assert buffer.counts.restarts == 1


def test_one_stray_packet_has_no_effect() -> None:
    buffer = JitterBuffer(0.0)
    buffer.push(packet(5), 0.0)
    buffer.push(packet(40000), 0.1)
    assert numbers(buffer.push(packet(6), 0.2)) == [6]


@given(
    start=st.integers(0, 0xFFFF),
    count=st.integers(1, 120),
    seed=st.integers(0, 2**32),
    lost=st.floats(0, 0.3),
    doubled=st.floats(0, 0.3),
    jitter=st.floats(0, 0.15),
)
def test_any_loss_order_and_duplication(
    start: int, count: int, seed: int, lost: float, doubled: float, jitter: float
) -> None:
    """Packets that arrive within the hold time come out once and in order; the rest is counted."""
    draw = random.Random(seed)
    sent = [number for number in range(count) if draw.random() >= lost]
    arrivals = [(0.02 * number + jitter * draw.random(), number) for number in sent]
    arrivals += [
        (when + jitter * draw.random(), number)
        for when, number in arrivals
        if draw.random() < doubled
    ]
    buffer = JitterBuffer(0.2)
    released: list[Released] = []
    for when, number in sorted(arrivals):
        released += buffer.push(packet(start + number), when)
    released += buffer.flush()
    assert numbers(released) == [(start + number) & 0xFFFF for number in sent]
    if sent:
        missing = sent[-1] - sent[0] + 1 - len(sent)
        assert sum(one.lost for one in released) == missing == buffer.counts.lost
        assert buffer.counts.duplicate == len(arrivals) - len(sent)
    assert buffer.counts.late == 0
