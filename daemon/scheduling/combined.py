"""Schedulers for several models at once: each window goes into the members' own batches.

No member that is late or fails delays a window: when it is due, it is judged by the members that
have answered, or else by the first one that does. The outcome names what each member said.
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

# weight of the newest window in the share of windows that are escalated to the second model
_SMOOTHING = 0.02

# outcomes by the number of the member that was asked; None if it has not answered yet
_Answers = dict[int, Outcome | None]


@dataclass(slots=True, eq=False)
class CombinedLane(Lane):
    """A stream at all members.

    Attributes:
        parts: its lanes, in the order of the members.
        closed: whether no member is asked any more.
    """

    parts: list[Lane] = field(default_factory=list)
    closed: bool = False


class _Window:
    """One window on its way through the members.

    Args:
        judge: makes the outcome from the members' answers.

    Attributes:
        future: of the outcome.
    """

    def __init__(self, judge: Callable[[_Answers], Outcome]) -> None:
        self._judge = judge
        self._loop = asyncio.get_running_loop()
        self._answers: _Answers = {}
        self._late = False
        self._timer: asyncio.TimerHandle | None = None
        self.future: asyncio.Future[Outcome] = self._loop.create_future()

    def due_in(self, seconds: float) -> None:
        """Sets when to judge by the answers so far, if there is a score among them."""
        self._timer = self._loop.call_later(max(0.0, seconds), self._due)

    def wait_for(
        self,
        member: int,
        future: asyncio.Future[Outcome],
        then: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """Adds a member to wait for.

        Args:
            member: its number.
            future: of its outcome.
            then: called with the outcome before the window is judged; may add another member.
        """
        self._answers[member] = None
        future.add_done_callback(functools.partial(self._answered, member, then))

    def _answered(
        self, member: int, then: Callable[[Outcome], None], future: asyncio.Future[Outcome]
    ) -> None:
        try:
            outcome = future.result()
        except Exception:
            log(logging.ERROR, "a member's window failed", exc_info=True)
            outcome = Outcome(WindowStatus.FAILED)
        self._answers[member] = outcome
        if not self.future.done():
            then(outcome)
        self._judge_if_ready()

    def _due(self) -> None:
        self._late = True
        self._judge_if_ready()

    def _judge_if_ready(self) -> None:
        answers = self._answers.values()
        scored = any(one is not None and one.status is WindowStatus.SCORED for one in answers)
        if self.future.done() or (None in answers and not (self._late and scored)):
            return
        if self._timer is not None:
            self._timer.cancel()
        self.future.set_result(self._judge(self._answers))


class CombinedScheduler:
    """The common part of all combinations; belongs to one event loop."""

    def __init__(self, members: Sequence[ServedModel], metrics: Metrics) -> None:
        self._members = members
        self._metrics = metrics

    @property
    def clock(self) -> Callable[[], float]:
        """A monotonic clock in seconds, the same for every process on this machine."""
        return self._members[0].scheduler.clock

    def open_lane(self) -> Lane:
        """Opens a lane for a stream."""
        return CombinedLane(parts=[member.scheduler.open_lane() for member in self._members])

    def close_lane(self, lane: Lane) -> None:
        """Closes a stream's lane; its waiting windows are never run."""
        for member, part in self._close_parts(lane):
            member.scheduler.close_lane(part)

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds a stream's waiting and running windows."""
        for member, part in self._close_parts(lane):
            member.scheduler.cancel_lane(part)

    def _close_parts(self, lane: Lane) -> list[tuple[ServedModel, Lane]]:
        assert isinstance(lane, CombinedLane)
        lane.closed = True
        return list(zip(self._members, lane.parts, strict=True))

    def _ask(
        self,
        member: int,
        lane: CombinedLane,
        samples: Samples,
        due_at: float,
        kind: Kind,
        channel: int,
    ) -> asyncio.Future[Outcome]:
        return self._members[member].scheduler.submit(
            lane.parts[member], samples, due_at=due_at, kind=kind, channel=channel
        )

    def _outcome(self, answers: _Answers, llr: float | None) -> Outcome:
        """Makes the outcome of a window, with those at each member that was asked."""
        # a member that has not answered in time counts as having shed the window
        outcomes = [outcome or Outcome(WindowStatus.SHED) for outcome in answers.values()]
        members = tuple(
            MemberOutcome(self._members[number].spec.name, outcome.status, outcome.spoof_llr)
            for number, outcome in zip(answers, outcomes, strict=True)
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

    def seconds_each(self) -> float | None:
        """Returns the device time of a window; None before it is known."""
        each = [member.seconds_each() for member in self._members]
        known = [seconds for seconds in each if seconds is not None]
        return sum(known) if len(known) == len(each) else None

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window, as described at `WindowScheduler`."""
        assert isinstance(lane, CombinedLane)
        window = _Window(self._judge)
        for member in range(len(self._members)):
            window.wait_for(member, self._ask(member, lane, samples, due_at, kind, channel))
        if kind is not Kind.PATIENT:
            window.due_in(due_at - self.clock())
        return window.future

    def _judge(self, answers: _Answers) -> Outcome:
        return self._outcome(answers, self._fusion.llr([_llr(one) for one in answers.values()]))


class CascadeScheduler(CombinedScheduler):
    """The first member scores every window, and the second those that are escalated to it."""

    def __init__(
        self, first: ServedModel, second: ServedModel, cascade: Cascade, metrics: Metrics
    ) -> None:
        super().__init__((first, second), metrics)
        self._cascade = cascade
        self._windows = metrics.cascade_windows
        # share of windows escalated to the second member; all of them until more is known
        self._share = 1.0

    def seconds_each(self) -> float | None:
        """Returns the device time of a window; None before it is known."""
        first, second = (member.seconds_each() for member in self._members)
        return None if first is None or second is None else first + self._share * second

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window, as described at `WindowScheduler`."""
        assert isinstance(lane, CombinedLane)
        window = _Window(self._judge)

        def first_answered(outcome: Outcome) -> None:
            if outcome.status is WindowStatus.SHED or lane.closed:
                return
            escalates = channel in lane.near_alert or self._cascade.escalates(outcome.spoof_llr)
            self._windows.labels(self._cascade.spec.name, "on" if escalates else "kept").inc()
            self._share += _SMOOTHING * (escalates - self._share)
            if escalates:
                window.wait_for(1, self._ask(1, lane, samples, due_at, kind, channel))
                if kind is not Kind.PATIENT:
                    window.due_in(due_at - self.clock())

        window.wait_for(0, self._ask(0, lane, samples, due_at, kind, channel), first_answered)
        return window.future

    def _judge(self, answers: _Answers) -> Outcome:
        second = _llr(answers.get(1))
        return self._outcome(answers, _llr(answers[0]) if second is None else second)


def _llr(outcome: Outcome | None) -> float | None:
    return None if outcome is None else outcome.spoof_llr
