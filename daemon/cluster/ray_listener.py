"""A replica's side of its connections: the batches of several daemons share forward passes."""

import contextlib
import logging
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.cluster.ray_link import Batch, Link, LinkError, listen

Score = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]

# Batches of daemons that may share a pass. None waits for others: a daemon has already waited with
# its own windows, and what arrives during a pass shares the next one.
_CALLS_IN_A_PASS = 8
_LOGGER = logging.getLogger("dfd.daemon")


@dataclass(slots=True)
class _Call:
    link: Link
    number: int
    batch: Batch


class Listener:
    """Listens for daemons, and scores what they send.

    Args:
        score: scores windows (B, N) of lengths (B,); called in one thread.
        host: this machine's address in the cluster.

    Attributes:
        host, port: where it listens.
        key: the secret that daemons must prove they know.
    """

    def __init__(self, score: Score, host: str) -> None:
        self._score = score
        self._socket = listen(host)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self.key = secrets.token_bytes(32)
        self._waiting: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._load = _Mean()
        for work in (self._accept, self._work):
            threading.Thread(target=work, name="dfd-replica", daemon=True).start()

    @property
    def callers(self) -> int:
        """Number of daemons that are connected."""
        with self._lock:
            return len(self._links)

    def load(self) -> float:
        """Returns how many batches waited or ran on average since it was last asked."""
        with self._lock:
            return self._load.take()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError:
                time.sleep(0.1)  # no descriptor is free
                continue
            threading.Thread(target=self._serve, args=[connected], daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        """Reads the batches of one daemon until it is gone."""
        link = Link(connected)
        try:
            link.accept(self.key)
            with self._lock:
                self._links.add(link)
            while True:
                number, batch = link.asked()
                with self._lock:
                    self._load.add(1)
                self._waiting.put(_Call(link, number, batch))
        except LinkError as error:
            _LOGGER.debug("a daemon's connection ended: %s", error)
        finally:
            with self._lock:
                self._links.discard(link)
            link.close()

    def _work(self) -> None:
        while True:
            calls = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(calls) < _CALLS_IN_A_PASS:
                    calls.append(self._waiting.get_nowait())
            # a daemon that has given up its call has closed its connection
            with self._lock:
                wanted = [call for call in calls if call.link in self._links]
            try:
                self._answer(wanted)
            finally:
                with self._lock:
                    self._load.add(-len(calls))

    def _answer(self, calls: list[_Call]) -> None:
        """Scores batches in one pass; if that fails, each in a pass of its own."""
        if not calls:
            return
        try:
            # the whole of one batch is passed on as it came, without a copy
            together = calls[0].batch if len(calls) == 1 else _joined([one.batch for one in calls])
            llrs = self._score(*together)
        except Exception as error:
            if len(calls) > 1:
                for one in calls:
                    self._answer([one])
                return
            _LOGGER.warning("a batch was not scored", exc_info=error)
            _tell(calls[0], first_line(error))
            return
        ends = np.cumsum([len(one.batch[1]) for one in calls])[:-1]
        for one, mine in zip(calls, np.split(llrs, ends), strict=True):
            _tell(one, mine)


class _Mean:
    """The mean of a number over time."""

    def __init__(self) -> None:
        self._now, self._area = 0, 0.0
        self._since = self._changed = time.monotonic()

    def add(self, change: int) -> None:
        moment = time.monotonic()
        self._area += self._now * (moment - self._changed)
        self._now, self._changed = self._now + change, moment

    def take(self) -> float:
        """Returns the mean since the last time."""
        self.add(0)
        passed = self._changed - self._since
        mean = self._area / passed if passed > 0.0 else float(self._now)
        self._area, self._since = 0.0, self._changed
        return mean


def _joined(batches: list[Batch]) -> Batch:
    return (
        np.concatenate([windows for windows, _ in batches]),
        np.concatenate([lengths for _, lengths in batches]),
    )


def _tell(call: _Call, found: NDArray[np.float32] | str) -> None:
    with contextlib.suppress(LinkError):
        call.link.answer(call.number, found)


def first_line(error: BaseException) -> str:
    """Returns what an error says, without its traceback."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
