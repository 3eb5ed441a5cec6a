"""Which windows run next, and how many at once: data structures without clock or event loop."""

import asyncio
import heapq
import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from dfd.streaming.types import Samples, Score, WindowStatus

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext


# A stream's share of lost windows is that of about the latest 16.
_KEPT = 1.0 - 1.0 / 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """How windows are batched.

    Attributes:
        window_samples: window length of the classifier.
        batch_buckets: the batch sizes to run, ascending.
        max_queue_delay_seconds: how long the first of an incomplete batch waits.
        queue_limit: windows that may wait; beyond it live ones are shed.
        batch_timeout_seconds: a forward pass that takes longer is given up.
    """

    window_samples: int
    batch_buckets: tuple[int, ...] = (1, 2, 4, 8, 16)
    max_queue_delay_seconds: float = 0.02
    queue_limit: int = 4096
    batch_timeout_seconds: float = 60.0


class Kind(IntEnum):
    """What may happen to a window that has to wait.

    Attributes:
        PATIENT: from a stream sent faster than real time: it is slowed down, never shed.
        LIVE: shed when it is past its due time, or when the queue is full.
        EARLY: a live window that later ones supersede: it runs after all others, and is also
            shed when the queue is full or the next window of its channel arrives.
    """

    PATIENT = 0
    LIVE = 1
    EARLY = 2


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """The outcome of a window at one member of a combination.

    Attributes:
        status: SHED if the member had not answered when the window was due.
    """

    model: str
    status: WindowStatus
    spoof_llr: float | None

    @property
    def spoof_probability(self) -> float | None:
        """P(spoof) at even prior odds."""
        return None if self.spoof_llr is None else Score(self.spoof_llr, 0.0).spoof_probability


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a window in the scheduler.

    Attributes:
        spoof_llr: None unless scored.
        queue_seconds: time from its submission until its forward pass or until it was given up.
        compute_seconds, batch_size: of its forward pass; 0 if there was none.
        members: outcomes at the members of a fusion or a cascade that were asked.
    """

    status: WindowStatus
    spoof_llr: float | None = None
    queue_seconds: float = 0.0
    compute_seconds: float = 0.0
    batch_size: int = 0
    members: tuple[MemberOutcome, ...] = ()

    @property
    def seconds(self) -> float:
        """Time from its submission to its outcome."""
        return self.queue_seconds + self.compute_seconds


@dataclass(slots=True, eq=False)
class Lane:
    """The waiting windows of one stream; created by `Scheduler.open_lane`.

    Attributes:
        judged, shed: counts of windows that no longer wait, in which older ones count for less.
        near_alert: channels on which an alert is near or raised.
    """

    waiting: int = 0
    judged: float = 0.0
    shed: float = 0.0
    tasks: set["Task"] = field(default_factory=set)
    near_alert: set[int] = field(default_factory=set)

    def note(self, shed: bool) -> None:
        """Counts a window; of older ones ever less, so that an old stream owes others nothing."""
        self.judged = self.judged * _KEPT + (not shed)
        self.shed = self.shed * _KEPT + shed

    def share_with(self, more: int) -> float:
        """Returns the share of windows lost if so many more are."""
        return (self.shed + more) / (self.shed + more + self.judged)


@dataclass(slots=True, eq=False)
class Task:
    """A window on its way through the scheduler.

    Attributes:
        samples: None once it is resolved, so that a dead queue entry holds no audio.
        arrived_at, due_at: times on the scheduler's clock.
        queued: whether it is waiting in the queue.
        trace: context of its span, if it is traced.
    """

    lane: Lane
    samples: Samples | None
    arrived_at: float
    due_at: float
    kind: Kind
    channel: int
    future: asyncio.Future[Outcome]
    queued: bool = False
    trace: "SpanContext | None" = None

    def late(self, now: float) -> bool:
        """Returns whether it is past its due time and may be shed."""
        return self.kind is not Kind.PATIENT and now > self.due_at


_Heap = list[tuple[float, int, Task]]


class DueQueue:
    """A queue ordered by due time, EARLY windows last; discarded entries are skipped later."""

    def __init__(self) -> None:
        self._heap: _Heap = []
        self._early: _Heap = []
        self._count = 0
        self._length = 0
        self._lanes = 0

    def __len__(self) -> int:
        """Returns the number of waiting windows, without dead entries."""
        return self._length

    @property
    def lanes_waiting(self) -> int:
        """Number of lanes with at least one waiting window."""
        return self._lanes

    def push(self, task: Task) -> None:
        """Adds a window."""
        self._count += 1
        heap = self._early if task.kind is Kind.EARLY else self._heap
        heapq.heappush(heap, (task.due_at, self._count, task))
        self._length += 1
        task.queued = True
        task.lane.waiting += 1
        self._lanes += task.lane.waiting == 1

    def discard(self, task: Task) -> None:
        """Removes a window if it is waiting; its entry stays until its turn, without its audio."""
        if task.queued:
            task.samples = None
            self._left(task)

    def pop(self) -> Task | None:
        """Removes and returns the window that is due first; None if none is waiting."""
        return self._pop(self._heap) or self.pop_early()

    def pop_early(self) -> Task | None:
        """Removes and returns the EARLY window due first; None if none is waiting."""
        return self._pop(self._early)

    def pop_needless(self, lane: Lane, channel: int) -> list[Task]:
        """Removes and returns the EARLY windows that a channel's next window supersedes."""
        needless = [
            task
            for task in lane.tasks
            if task.queued and task.kind is Kind.EARLY and task.channel == channel
        ]
        for task in needless:
            self.discard(task)
        return needless

    @property
    def allowance(self) -> float:
        """Returns the least time that a waiting live window had on arrival; infinite without."""
        # patient windows are due first and leave no hint of what the live ones behind them allow
        allowed = (
            task.due_at - task.arrived_at
            for _, _, task in self._heap
            if task.queued and task.kind is Kind.LIVE
        )
        return min(allowed, default=math.inf)

    def pop_hopeless(self, now: float, seconds_each: float) -> list[Task]:
        """Removes and returns the live windows to give up now, so that the others are in time.

        If more windows are waiting than can be scored by their due times, some must be dropped. By
        due time alone the same streams would lose windows each time, so one after the other is
        taken from the stream that will have lost the smallest share of its latest windows.

        Args:
            now: time on the scheduler's clock.
            seconds_each: device time of one window.

        Returns:
            Never all of them, since the device time of a window is learned from scored ones.
        """
        if not self._heap or self._heap[0][0] - now >= len(self._heap) * seconds_each:
            return []
        waiting = [task for _, _, task in sorted(self._heap) if task.queued]
        too_many, among = 0, 0
        for place, task in enumerate(waiting, 1):
            # the last window that has to finish before this one is this one itself
            more = place - math.floor(max(0.0, task.due_at - now) / seconds_each)
            if task.kind is Kind.LIVE and more > too_many:
                too_many, among = more, place
        candidates: defaultdict[Lane, deque[Task]] = defaultdict(deque)
        for task in waiting[:among]:
            if task.kind is Kind.LIVE:
                candidates[task.lane].append(task)
        shares = [(lane.share_with(1), place, lane) for place, lane in enumerate(candidates)]
        heapq.heapify(shares)
        hopeless: list[Task] = []
        while shares and len(hopeless) < min(too_many, len(waiting) - 1):
            _, place, lane = heapq.heappop(shares)
            hopeless.append(candidates[lane].popleft())
            if candidates[lane]:
                lost = sum(task.lane is lane for task in hopeless)
                heapq.heappush(shares, (lane.share_with(lost + 1), place, lane))
        for task in hopeless:
            self.discard(task)
        return hopeless

    def pop_late(self, now: float) -> list[Task]:
        """Removes and returns all windows that are past their due time and may be shed."""
        late = [
            task
            for heap in (self._heap, self._early)
            for _, _, task in heap
            if task.queued and task.late(now)
        ]
        for task in late:
            self.discard(task)
        return late

    def _pop(self, heap: _Heap) -> Task | None:
        while heap:
            task = heapq.heappop(heap)[2]
            if task.queued:
                self._left(task)
                return task
        return None

    def _left(self, task: Task) -> None:
        task.queued = False
        self._length -= 1
        task.lane.waiting -= 1
        self._lanes -= task.lane.waiting == 0
