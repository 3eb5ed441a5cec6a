"""Whether one more stream would slow the running ones down, measured while they run."""

from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress

import grpc

from dfd.daemon.errors import StatusError
from dfd.daemon.scheduling.batching import Kind, Outcome
from dfd.daemon.vitals.loop import LoopLoad

# What may be in use of a device's windows a second, and of a core by the event loop. The rest
# is for windows that come together, and for what the machine does besides.
_DEVICE_SHARE, _LOOP_SHARE = 0.75, 0.8
_ROUNDING = 1e-9
# A stream's first whole window comes late, and provisional ones before it: for so long it
# brings a window a second and channel.
_YOUNG_SECONDS, _YOUNG_RATE = 4.0, 1.0
# In parts of the deadline: a live window that waited longer shows that there is too much.
_LONG_WAIT = 0.5
_LONG_LAG_SECONDS = 0.5


# What a window takes of the devices, in seconds; None before it is known.
SecondsEach = Callable[[], float | None]


class Hold:
    """A stream's share of the capacity."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave

    def leave(self) -> None:
        """Releases it, once."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class Capacity:
    """Adds up what streams need; belongs to one event loop.

    Args:
        clock: monotonic, seconds.
        deadline_seconds: of a live window.
        retry_seconds: what is told to who comes too late.
        all_streams: how many streams all processes have, of which these here are a part;
            None: there are no others.

    Attributes:
        measured: whether anyone is refused.
        loop: to be started.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        deadline_seconds: float,
        retry_seconds: float,
        all_streams: Callable[[], int] | None = None,
    ) -> None:
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._retry_seconds = retry_seconds
        self._all_streams = all_streams
        # windows a second, by what each of them takes
        self._demand: defaultdict[SecondsEach, float] = defaultdict(float)
        self._streams = 0
        self._young: deque[tuple[float, SecondsEach, float]] = deque()
        self._long_wait_at = -float("inf")
        self.measured = True
        self.loop = LoopLoad(lambda: self._streams)

    def observe(self, kind: Kind, outcome: Outcome) -> None:
        """Takes the outcome of a window into account."""
        if kind is Kind.LIVE and outcome.queue_seconds > _LONG_WAIT * self._deadline_seconds:
            self._long_wait_at = self._clock()

    def enter(self, channels: int, hop_seconds: float, seconds_each: SecondsEach) -> Hold:
        """Takes a share for a stream.

        Args:
            channels: that are judged.
            hop_seconds: from one window to the next.
            seconds_each: what its windows take.

        Raises:
            StatusError: with OVERLOADED.
        """
        rate = channels / hop_seconds
        young = max(0.0, channels * _YOUNG_RATE - rate)
        more = (rate + young) * (seconds_each() or 0.0)
        why = self.why_not(more) if self.measured else None
        if why is not None:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "OVERLOADED",
                f"{why}, and one more stream would slow the running ones down; "
                "try again later or connect to another server",
                retry_seconds=self._retry_seconds,
            )
        self._demand[seconds_each] += rate
        self._streams += 1
        start = (self._clock() + _YOUNG_SECONDS, seconds_each, young)
        self._young.append(start)

        def leave() -> None:
            self._demand[seconds_each] -= rate
            self._streams -= 1
            with suppress(ValueError):  # it is not young any more
                self._young.remove(start)

        return Hold(leave)

    def why_not(self, more: float) -> str | None:
        """Returns why this much more of the devices' time is not available; None if it is."""
        if not self._streams:
            return None  # there is nobody to slow down
        if self._clock() - self._long_wait_at < self._deadline_seconds:
            return "windows wait too long"
        if self.loop.lag_seconds > _LONG_LAG_SECONDS:
            return "this server is behind with all its work"
        share = self.loop.stream_share
        if share is not None and (self._streams + 1) * share > _LOOP_SHARE:
            return "this server's process is busy"
        if self.demand + more > _DEVICE_SHARE + _ROUNDING:
            return "the classifier is busy"
        return None

    @property
    def demand(self) -> float:
        """Share of the devices that all streams may ask for, young ones more than later."""
        now = self._clock()
        while self._young and self._young[0][0] <= now:
            self._young.popleft()
        rates = self._demand.copy()
        for _, seconds_each, extra in self._young:
            rates[seconds_each] += extra
        demand = sum(rate * (seconds_each() or 0.0) for seconds_each, rate in rates.items())
        if self._all_streams is not None and self._streams:
            demand *= max(1.0, self._all_streams() / self._streams)
        return demand
