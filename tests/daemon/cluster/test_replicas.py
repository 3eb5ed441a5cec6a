"""Daemons and replicas of a Ray cluster over real connections; no cluster is needed for that."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.daemon.cluster.messages import Replica
from dfd.daemon.cluster.ray_link import Link, LinkError
from dfd.daemon.cluster.ray_listener import Listener
from dfd.daemon.cluster.ray_replicas import Replicas, should_leave
from dfd.errors import UserError

HOST = "127.0.0.1"
SAMPLES = 2000
Floats = NDArray[np.float32]

# a replica in a process of its own: it prints where it listens, and dies with its standard input
_REPLICA = """
import sys
from dfd.daemon.cluster.ray_listener import Listener
listener = Listener(lambda windows, lengths: windows[:, 0] + lengths, "127.0.0.1")
print(listener.port, listener.key.hex(), flush=True)
sys.stdin.read()
"""


class Model:
    """Adds the first sample and the length; can be held, and can refuse a sample."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def score(self, windows: Floats, lengths: NDArray[np.int64]) -> Floats:
        self.begun.set()
        assert self.go_on.wait(10)
        self.passes.append(len(windows))
        if (windows[:, 0] < 0).any():
            raise ValueError("negative\nand more")
        return (windows[:, 0] + lengths).astype(np.float32)


def batch(*firsts: float) -> tuple[Floats, NDArray[np.int64]]:
    windows = np.zeros((len(firsts), SAMPLES), np.float32)
    windows[:, 0] = firsts
    return windows, np.arange(1, len(firsts) + 1)


def scores(*firsts: float) -> list[float]:
    return [first + place for place, first in enumerate(firsts, 1)]


def place_of(listener: Listener) -> Replica:
    return Replica(listener.host, listener.port, listener.key, listener.callers)


def daemon_of(*replicas: Replica, look: Callable[[], None] = lambda: None) -> Replicas:
    made = Replicas(look)
    made.update(replicas)
    return made


@contextlib.contextmanager
def process() -> Iterator[tuple[Replica, "subprocess.Popen[str]"]]:
    with subprocess.Popen(
        [sys.executable, "-c", _REPLICA],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        port, key = running.stdout.readline().split()
        try:
            yield Replica(HOST, int(port), bytes.fromhex(key)), running
        finally:
            running.kill()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)  # nothing tells when another thread has read a socket


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def listener(model: Model) -> Listener:
    return Listener(model.score, HOST)


def test_scores_are_those_of_each_window(listener: Listener) -> None:
    daemon = daemon_of(place_of(listener))
    for firsts in ((0.5,), (1.0, 2.0, 3.0)):
        assert daemon.score(*batch(*firsts), 10.0).tolist() == scores(*firsts)


def test_daemons_share_a_pass(listener: Listener, model: Model) -> None:
    daemons = [daemon_of(place_of(listener)) for _ in range(4)]
    model.go_on.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(daemons[0].score, *batch(9.0), 10.0)
        assert model.begun.wait(10)
        others = [pool.submit(one.score, *batch(k, k), 10.0) for k, one in enumerate(daemons[1:])]
        until(lambda: listener._waiting.qsize() == 3)
        model.go_on.set()
        assert first.result().tolist() == [10.0]
        for k, other in enumerate(others):
            assert other.result().tolist() == scores(k, k)
    assert model.passes == [1, 6]


def test_a_batch_that_cannot_be_scored_fails_alone(listener: Listener, model: Model) -> None:
    daemons = [daemon_of(place_of(listener)) for _ in range(3)]
    model.go_on.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(daemons[0].score, *batch(0.0), 10.0)
        assert model.begun.wait(10)
        bad = pool.submit(daemons[1].score, *batch(-1.0), 10.0)
        good = pool.submit(daemons[2].score, *batch(5.0), 10.0)
        until(lambda: listener._waiting.qsize() == 2)
        model.go_on.set()
        first.result()
        with pytest.raises(UserError, match=r"does not score: negative$"):
            bad.result()
        assert good.result().tolist() == [6.0]


def test_a_batch_goes_to_another_replica_if_its_own_dies() -> None:
    with process() as (mine, dying), process() as (other, _):
        daemon = daemon_of(mine, Replica(other.host, other.port, other.key, callers=1))
        assert daemon.score(*batch(1.0), 10.0).tolist() == [2.0]
        dying.kill()
        dying.wait()
        began = time.monotonic()
        assert daemon.score(*batch(2.0), 10.0).tolist() == [3.0]
        assert time.monotonic() - began < 5.0


def test_a_batch_is_sent_again_if_its_replica_dies_with_it(
    listener: Listener, model: Model
) -> None:
    model.go_on.clear()
    other = Listener(Model().score, HOST)
    daemon = daemon_of(place_of(listener), Replica(HOST, other.port, other.key, callers=1))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.score, *batch(2.0), 10.0)
        assert model.begun.wait(10)
        for link in listener._links.copy():
            link.close()
        assert answer.result().tolist() == [3.0]
    model.go_on.set()


def test_a_replica_that_comes_is_found(listener: Listener) -> None:
    asked = threading.Event()
    daemon = daemon_of(look=asked.set)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.score, *batch(2.0), 10.0)
        assert asked.wait(10)
        daemon.update([place_of(listener)])
        assert answer.result().tolist() == [3.0]


def test_without_a_cluster_windows_fail_at_once() -> None:
    daemon = daemon_of()
    daemon.lost()
    began = time.monotonic()
    with pytest.raises(UserError, match="the Ray cluster is away"):
        daemon.score(*batch(1.0), 60.0)
    assert time.monotonic() - began < 1.0


def test_a_replica_goes_on_without_its_cluster(listener: Listener) -> None:
    daemon = daemon_of(place_of(listener))
    daemon.lost()
    assert daemon.score(*batch(1.0), 10.0).tolist() == [2.0]


def test_a_replica_that_hangs_is_left(listener: Listener, model: Model) -> None:
    model.go_on.clear()
    other = Listener(Model().score, HOST)
    daemon = daemon_of(place_of(listener), Replica(HOST, other.port, other.key, callers=1))
    with pytest.raises(TimeoutError):
        daemon.score(*batch(1.0), 0.1)
    assert daemon.score(*batch(1.0), 10.0).tolist() == [2.0]
    # what was given up before its pass began is not computed
    until(lambda: listener.callers == 0)
    model.go_on.set()


def test_who_does_not_know_the_key_is_refused(listener: Listener) -> None:
    with pytest.raises(LinkError, match="no greeting"):
        Link.connect(HOST, listener.port, b"another key")
    daemon = daemon_of(Replica(HOST, listener.port, b"another key"))
    with pytest.raises(UserError, match="away"):
        daemon.score(*batch(1.0), 0.1)


def test_a_stranger_holds_nobody_up(listener: Listener) -> None:
    with (
        socket.create_connection((HOST, listener.port)),
        socket.create_connection((HOST, listener.port)) as loud,
    ):
        loud.sendall(b"GET / HTTP/1.0\r\n\r\n")
        daemon = daemon_of(place_of(listener))
        assert daemon.score(*batch(1.0), 10.0).tolist() == [2.0]
        assert listener.callers == 1


def test_a_batch_that_is_too_large_ends_the_connection(listener: Listener) -> None:
    link = Link.connect(HOST, listener.port, listener.key)
    with contextlib.suppress(LinkError):  # it may be closed before all is sent
        link.ask(0, np.zeros((5000, 1), np.float32), np.ones(5000, np.int64))
    with pytest.raises(LinkError):
        link.answered(10.0)
    link.close()


def test_what_is_no_batch_ends_the_connection(listener: Listener) -> None:
    link = Link.connect(HOST, listener.port, listener.key)
    link._connection.send_bytes(b"GET / HTTP/1.0")
    with pytest.raises(LinkError):
        link.answered(10.0)
    link.close()


def test_load_is_the_mean_number_of_batches(listener: Listener, model: Model) -> None:
    daemon = daemon_of(place_of(listener))
    listener.load()
    assert listener.load() == 0.0
    model.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.score, *batch(1.0), 10.0)
        assert model.begun.wait(10)
        listener.load()
        assert listener.load() == pytest.approx(1.0)
        model.go_on.set()
        answer.result()
    until(lambda: listener.load() == 0.0)


def test_daemons_spread_over_replicas_that_are_added() -> None:
    def named(name: str, callers: int) -> Replica:
        return Replica(HOST, 1, name.encode(), callers)

    mine, full = named("mine", 1), named("mine", 8)
    assert not should_leave(mine, [], 0.0)
    assert should_leave(mine, [named("other", 9)], 0.99)
    # of eight daemons half should go to the other replica
    for draw, leaves in ((0.0, True), (0.49, True), (0.51, False)):
        assert should_leave(mine, [full, named("other", 0)], draw) is leaves
    # nothing is gained by changing places
    assert not should_leave(mine, [named("mine", 2), named("other", 1)], 0.0)
    assert not should_leave(mine, [named("mine", 1), named("other", 0)], 0.0)
