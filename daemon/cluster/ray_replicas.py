"""The replicas of a Ray cluster as a daemon calls them: one of them, and another if it dies."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.cluster.messages import Replica
from dfd.daemon.cluster.ray_link import Link, LinkError
from dfd.errors import UserError

# A replica that dies takes a batch with it: for this long it is sent to others.
_RETRY_SECONDS = 5.0
_LOOK_SECONDS = 0.2
# A batch during which this many replicas were lost is not given to another one.
_MOST_LOST = 3


class Replicas:
    """Scores on one replica as long as it answers, since it has kept what its streams share.

    Args:
        look: asks for the list of replicas, which arrives by `update`.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._known: tuple[Replica, ...] = ()
        self._changed = threading.Condition()
        self._calling = threading.Lock()
        self._link: Link | None = None
        self._chosen: Replica | None = None
        self._gone = self._leaving = False
        self._numbers = itertools.count()

    def update(self, now: Sequence[Replica]) -> None:
        """Takes the replicas that the cluster has now."""
        with self._changed:
            self._known, self._gone = tuple(now), False
            if self._chosen is not None:
                self._leaving = should_leave(self._chosen, self._known, random.random())
            self._changed.notify_all()

    def lost(self) -> None:
        """Notes that there will be no other list: only what is known can be tried."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64], seconds: float
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths to LLRs (B,).

        Raises:
            TimeoutError: if a replica does not answer in time.
            UserError: with what a replica raised, or if there is none.
        """
        with self._calling:
            until = time.monotonic() + seconds
            search_until = time.monotonic() + min(seconds, _RETRY_SECONDS)
            for _ in range(_MOST_LOST):
                link = self._connected(search_until)
                try:
                    found = self._asked(link, windows, lengths, until)
                except LinkError:
                    self._drop()
                except TimeoutError:
                    self._drop()
                    raise
                else:
                    if isinstance(found, str):
                        raise UserError(f"the Ray cluster does not score: {found}")
                    return found
            raise UserError(
                f"{_MOST_LOST} replicas of the Ray cluster were lost with these windows"
            )

    def _asked(
        self, link: Link, windows: NDArray[np.float32], lengths: NDArray[np.int64], until: float
    ) -> NDArray[np.float32] | str:
        number = next(self._numbers)
        link.ask(number, windows, lengths)
        while (answer := link.answered(until - time.monotonic())) is not None:
            if answer[0] == number:
                return answer[1]
        raise TimeoutError("no replica of the Ray cluster answers in time")

    def _connected(self, until: float) -> Link:
        """Returns the connection to a replica.

        Raises:
            UserError: if none can be reached until then.
        """
        if self._link is not None:
            if not self._leaving:
                return self._link
            self._close()
        while True:
            replica = self._next(until)
            try:
                self._link = Link.connect(replica.host, replica.port, replica.key)
            except LinkError:
                self._forget(replica)
                continue
            with self._changed:
                self._chosen, self._leaving = replica, False
            return self._link

    def _next(self, until: float) -> Replica:
        """Waits for a replica that may be tried."""
        while True:
            with self._changed:
                if self._known:
                    return min(self._known, key=lambda one: (one.callers, random.random()))
                left = until - time.monotonic()
                if left <= 0.0 or self._gone:
                    raise UserError("the Ray cluster is away: windows fail until it is back")
                self._changed.wait(min(left, _LOOK_SECONDS))
                if self._known:
                    continue
            self._look()

    def _drop(self) -> None:
        """Leaves a replica that does not answer, until the cluster names it again."""
        self._close()
        if self._chosen is not None:
            self._forget(self._chosen)
        self._look()

    def _forget(self, replica: Replica) -> None:
        with self._changed:
            self._known = tuple(one for one in self._known if one.key != replica.key)

    def _close(self) -> None:
        if self._link is not None:
            with contextlib.suppress(LinkError):
                self._link.close()
            self._link = None


def should_leave(mine: Replica, known: Sequence[Replica], draw: float) -> bool:
    """Returns whether a daemon should leave its replica, now that the cluster has these.

    It stays as a rule. But it leaves one that is about to end, and daemons spread over replicas
    that are added: each leaves with a probability by which as many stay as the others have.

    Args:
        mine: the present one.
        known: all of the cluster, with the daemons that each has now.
        draw: a random number from 0 to 1.
    """
    if not known:
        return False
    now = next((one for one in known if one.key == mine.key), None)
    if now is None:
        return True
    mean = sum(one.callers for one in known) / len(known)
    crowded = now.callers > min(one.callers for one in known) + 1
    return crowded and draw < (now.callers - mean) / now.callers
