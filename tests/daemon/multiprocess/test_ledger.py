"""The usage of callers is counted over all workers, even if these race or die."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dfd.daemon.endpoint.pace import Paces
from dfd.daemon.multiprocess.ledger import SharedLedger
from dfd.daemon.options import ServeOptions

TAKE = """
import sys
from dfd.daemon.multiprocess.ledger import SharedLedger
ledger = SharedLedger(int(sys.argv[1]), 2, int(sys.argv[2]))
print(sum(ledger.take("token a", 300) for _ in range(200)))
for _ in range(100):
    ledger.spend("token a", 1, 7)
"""


@pytest.fixture
def descriptor() -> Iterator[int]:
    made = SharedLedger.allocate(2)
    yield made
    os.close(made)


def test_slots_are_shared_by_all_workers(descriptor: int) -> None:
    one, other = (SharedLedger(descriptor, 2, worker) for worker in (0, 1))
    assert [one.take("a", 2), other.take("a", 2), one.take("a", 2)] == [True, True, False]
    assert other.take("b", 1)  # another name has its own count
    other.leave("a")
    assert one.take("a", 2)
    one.clear_worker(0)
    assert [other.take("a", 2), other.take("a", 2), other.take("a", 2)] == [True, True, False]


def test_usage_is_counted_per_day(descriptor: int) -> None:
    one, other = (SharedLedger(descriptor, 2, worker) for worker in (0, 1))
    one.spend("a", 40, 5)
    other.spend("a", 30, 5)
    assert one.spent("a", 5) == other.spent("a", 5) == 70
    assert one.spent("a", 6) == one.spent("b", 5) == 0
    other.spend("a", 3, 6)
    assert one.spent("a", 6) == 3


def test_bytes_of_an_address_are_those_of_all_workers(descriptor: int) -> None:
    options = ServeOptions(max_stream_bytes_per_second=10_000, max_peer_bytes_per_second=3000)
    one, other = (
        Paces(options, SharedLedger(descriptor, 2, worker), lambda: 1000.0) for worker in (0, 1)
    )
    assert one.of_peer("ipv4:10.0.0.7:1")(2936) == 0.0
    assert other.of_peer("ipv4:10.0.0.7:2")(2936) == pytest.approx(1.0)
    assert other.of_peer("ipv4:10.0.0.8:2")(2936) == 0.0


def test_a_name_that_time_has_paid_for_makes_room(descriptor: int) -> None:
    ledger = SharedLedger(descriptor, 2, 0)
    for number in range(20_000):
        assert ledger.pay(f"peer {number}", 0.5, float(number)) == number + 0.5
    assert not ledger._own._paid


def test_racing_processes_never_take_a_slot_twice(descriptor: int) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(descriptor), worker],
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            text=True,
        )
        for worker in ("0", "1")
    ]
    taken = [int(process.communicate(timeout=60)[0]) for process in both]
    assert sum(taken) == 300
    assert SharedLedger(descriptor, 2, 0).spent("token a", 7) == 200


def test_names_beyond_the_table_are_counted_in_the_process(descriptor: int) -> None:
    ledger = SharedLedger(descriptor, 2, 0)
    names = [f"jwt:{number}" for number in range(9000)]
    assert all(ledger.take(name, 1) for name in names)
    assert not any(ledger.take(name, 1) for name in names)
    for name in names:
        ledger.leave(name)
    assert all(ledger.take(name, 1) for name in names)
