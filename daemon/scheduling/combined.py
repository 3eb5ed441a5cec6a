"""Schedulers before several models at once: a window goes to the members' own batches.

A member that is late or fails holds up nobody: when the window is due it is judged by those that
have come, or else by the first that comes. What became of it at each member goes with the outcome.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import Kind, Lane, MemberOutcome, Outcome
from dfd.daemon.scheduling.contract import ServedModel
from dfd.detector.fusion import Cascade, Fusion
from dfd.streaming.types import Samples, WindowStatus

# weight of the newest window in the share of those that go on
_SMOOTHING = 0.02

# by the numbers of the members that were asked; None of one that has not answered
_Came = dict[int, Outcome | None]


@dataclass(slots=True, eq=False)
class CombinedLane(Lane):
    """A stream at all members.

    Attributes:
        parts: its lanes, in the order of the members.
        over: whether nothing more is asked for it.
    """

    parts: list[Lane] = field(default_factory=list)
    over: bool = False


class _Window:
    """One window on its way through the members.

    Args:
        judge: makes an outcome of what has come.

    Attributes:
        came: outcomes by member, None of one that was asked and has not answered.
    """

    def __init__(self, judge: Callable[[_Came], Outcome]) -> None:
        self._judge = judge
        self._loop = asyncio.get_running_loop()
        self.came: dict[int, Outcome | None] = {}
        self._late = False
        self._timer: asyncio.TimerHandle | None = None
        self.future: asyncio.Future[Outcome] = self._loop.create_future()

    def due_in(self, seconds: float) -> None:
        """From then on whoever has come decides."""
        self._timer = self._loop.call_later(max(0.0, seconds), self._due)

    def wait_for(
        self,
        member: int,
        future: asyncio.Future[Outcome],
        then: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """Waits for a member's outcome too.

        Args:
            member: its number.
            future: of its outcome.
            then: told of it before anything is decided, and may wait for another.
        """
        self.came[member] = None
        future.add_done_callback(functools.partial(self._take, member, then))

    def _take(
        self, member: int, then: Callable[[Outcome], None], future: asyncio.Future[Outcome]
    ) -> None:
        try:
            outcome = future.result()
        except Exception:
            log(logging.ERROR, "a member's window failed", exc_info=True)
            outcome = Outcome(WindowStatus.FAILED)
        self.came[member] = outcome
        if not self.future.done():
            then(outcome)
        self._look()

    def _due(self) -> None:
        self._late = True
        self._look()

    def _look(self) -> None:
        came = self.came.values()
        scored = any(one is not None and one.status is WindowStatus.SCORED for one in came)
        if self.future.done() or (None in came and not (self._late and scored)):
            return
        if self._timer is not None:
            self._timer.cancel()
        self.future.set_result(self._judge(self.came))


class CombinedScheduler:
    """What all combinations have in common; belongs to one event loop."""

    def __init__(self, members: Sequence[ServedModel], metrics: Metrics) -> None:
        self._members = members
        self._metrics = metrics

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds, monotonic, the same for every process of this machine."""
        return self._members[0].scheduler.clock

    def open_lane(self) -> Lane:
        """Announces a stream."""
        return CombinedLane(parts=[member.scheduler.open_lane() for member in self._members])

    def close_lane(self, lane: Lane) -> None:
        """Forgets a stream; what it still has waiting is never run."""
        for member, part in self._parts(lane):
            member.scheduler.close_lane(part)

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds what a stream has waiting or running."""
        for member, part in self._parts(lane):
            member.scheduler.cancel_lane(part)

    def _parts(self, lane: Lane) -> list[tuple[ServedModel, Lane]]:
        assert isinstance(lane, CombinedLane)
        lane.over = True
        return list(zip(self._members, lane.parts, strict=True))

    def _outcome(self, came: _Came, llr: float | None) -> Outcome:
        """The outcome of a window, with what became of it at each member that was asked."""
        # one that has not answered in time is told as shed
        outcomes = [outcome or Outcome(WindowStatus.SHED) for outcome in came.values()]
        members = tuple(
            MemberOutcome(self._members[number].spec.name, outcome.status, outcome.spoof_llr)
            for number, outcome in zip(came, outcomes, strict=True)
        )
        for member in members:
            self._metrics.member_windows.labels(member.model, member.status.value).inc()
        slowest = max(outcomes, key=lambda one: (one.batch_size > 0, one.seconds))
        if llr is not None:
            status = WindowStatus.SCORED
        elif any(one.status is not WindowStatus.SHED for one in outcomes):
            status = WindowStatus.FAILED
        else:
            status = WindowStatus.SHED
        return Outcome(
            status,
            llr,
            slowest.queue_seconds,
            slowest.compute_seconds,
            slowest.batch_size,
            members,
        )


class FusedScheduler(CombinedScheduler):
    """Every member scores every window."""

    def __init__(self, members: Sequence[ServedModel], fusion: Fusion, metrics: Metrics) -> None:
        super().__init__(members, metrics)
        self._fusion = fusion

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window, as `WindowScheduler` says."""
        assert isinstance(lane, CombinedLane)
        window = _Window(self._judge)
        for number, (member, part) in enumerate(zip(self._members, lane.parts, strict=True)):
            asked = member.scheduler.submit(
                part, samples, due_at=due_at, kind=kind, channel=channel
            )
            window.wait_for(number, asked)
        if kind is not Kind.PATIENT:
            window.due_in(due_at - self.clock())
        return window.future

    def _judge(self, came: _Came) -> Outcome:
        return self._outcome(came, self._fusion.llr([_llr(one) for one in came.values()]))


class CascadeScheduler(CombinedScheduler):
    """The cheap member scores every window, the dear one those that go on to it."""

    def __init__(
        self, cheap: ServedModel, dear: ServedModel, cascade: Cascade, metrics: Metrics
    ) -> None:
        super().__init__((cheap, dear), metrics)
        self._cascade = cascade
        self._windows = metrics.cascade_windows
        # of the windows that went on: all, until it is known better
        self._share = 1.0

    def seconds_each(self) -> float | None:
        """What a window takes of the devices."""
        cheap, dear = (member.seconds_each() for member in self._members)
        return None if cheap is None or dear is None else cheap + self._share * dear

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window, as `WindowScheduler` says."""
        assert isinstance(lane, CombinedLane)
        cheap, dear = self._members
        window = _Window(self._judge)

        def heard(outcome: Outcome) -> None:
            if outcome.status is WindowStatus.SHED or lane.over:
                return
            goes_on = channel in lane.uneasy or self._cascade.goes_on(outcome.spoof_llr)
            self._windows.labels(self._cascade.spec.name, "on" if goes_on else "kept").inc()
            self._share += _SMOOTHING * (goes_on - self._share)
            if goes_on:
                asked = dear.scheduler.submit(
                    lane.parts[1], samples, due_at=due_at, kind=kind, channel=channel
                )
                window.wait_for(1, asked)
                if kind is not Kind.PATIENT:
                    window.due_in(due_at - self.clock())

        asked = cheap.scheduler.submit(
            lane.parts[0], samples, due_at=due_at, kind=kind, channel=channel
        )
        window.wait_for(0, asked, heard)
        return window.future

    def _judge(self, came: _Came) -> Outcome:
        dear = _llr(came.get(1))
        return self._outcome(came, _llr(came[0]) if dear is None else dear)


def _llr(outcome: Outcome | None) -> float | None:
    return None if outcome is None else outcome.spoof_llr
