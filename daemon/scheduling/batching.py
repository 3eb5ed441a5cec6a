"""Which windows run next, and how many at once: data structures without a clock or a loop."""

import asyncio
import heapq
import math
from dataclasses import dataclass, field
from enum import IntEnum

from dfd.streaming.types import Samples, WindowStatus

# A larger bucket is taken when at least this part of it is filled.
_WORTH_PADDING = 0.75


class Kind(IntEnum):
    """What may become of a window that has to wait.

    Attributes:
        PATIENT: of a stream that is sent faster than real time: it is slowed, never shed.
        LIVE: shed when it is past its due time, or when the queue is full.
        EARLY: a live window that later ones make needless: it goes after all others, and
            is shed as well when the queue is full or the next window of its channel comes.
    """

    PATIENT = 0
    LIVE = 1
    EARLY = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a window in the scheduler.

    Attributes:
        spoof_llr: None unless scored.
        queue_seconds: from its submission to its forward pass, or to its being given up.
        compute_seconds, batch_size: of its forward pass; 0 where there was none.
    """

    status: WindowStatus
    spoof_llr: float | None = None
    queue_seconds: float = 0.0
    compute_seconds: float = 0.0
    batch_size: int = 0


@dataclass(slots=True, eq=False)
class Lane:
    """The windows of one stream that wait; made by `Scheduler.open_lane`.

    Attributes:
        judged, shed: of those that no longer wait.
    """

    waiting: int = 0
    judged: int = 0
    shed: int = 0
    tasks: set["Task"] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Task:
    """A window on its way through the scheduler.

    Attributes:
        samples: None once it is resolved, so that a dead entry of the queue holds no audio.
        arrived_at, due_at: on the scheduler's clock.
        queued: whether it waits in the queue.
    """

    lane: Lane
    samples: Samples | None
    arrived_at: float
    due_at: float
    kind: Kind
    channel: int
    future: asyncio.Future[Outcome]
    queued: bool = False

    def late(self, now: float) -> bool:
        """Whether it is past its due time and may be shed."""
        return self.kind is not Kind.PATIENT and now > self.due_at


_Heap = list[tuple[float, int, Task]]


class DueQueue:
    """Earliest due first, early windows last; discarded entries are skipped in their turn."""

    def __init__(self) -> None:
        self._heap: _Heap = []
        self._early: _Heap = []
        self._count = 0
        self._length = 0
        self._lanes = 0

    def __len__(self) -> int:
        """Windows that wait, without the dead entries."""
        return self._length

    @property
    def lanes_waiting(self) -> int:
        """Lanes that have at least one window here."""
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
        """Forgets a window if it waits; its entry stays until its turn, without its audio."""
        if task.queued:
            task.samples = None
            self._left(task)

    def pop(self) -> Task | None:
        """The window whose turn it is; None where none waits."""
        return self._pop(self._heap) or self.pop_early()

    def pop_early(self) -> Task | None:
        """The early window due first; None where none waits."""
        return self._pop(self._early)

    def pop_needless(self, lane: Lane, channel: int) -> list[Task]:
        """The early windows that the next window of a channel makes needless."""
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
        """Seconds that the window due first had when it came; infinite where none is live."""
        head = self._heap[0][2] if self._heap else None
        live = head is not None and head.kind is Kind.LIVE
        return head.due_at - head.arrived_at if head is not None and live else math.inf

    def pop_hopeless(self, now: float, seconds_each: float) -> list[Task]:
        """The live windows to give up now, so that the others are in time.

        With more windows than can be scored by their due times some must go, and going by due
        time alone it would be those of the same streams each time. So it is the turn of the
        streams that have lost the smallest part of their windows.

        Args:
            now: on the scheduler's clock.
            seconds_each: what a window takes of the device.

        Returns:
            Never all of them: what a window takes is learned from those that are scored.
        """
        if not self._heap or self._heap[0][0] - now >= len(self._heap) * seconds_each:
            return []
        waiting = [task for _, _, task in sorted(self._heap) if task.queued]
        too_many, among = 0, 0
        for place, task in enumerate(waiting, 1):
            # the last window that this one's pass has to wait for is this one itself
            more = place - math.floor(max(0.0, task.due_at - now) / seconds_each)
            if task.kind is Kind.LIVE and more > too_many:
                too_many, among = more, place
        candidates = [task for task in waiting[:among] if task.kind is Kind.LIVE]
        candidates.sort(key=lambda task: task.lane.shed / (1 + task.lane.shed + task.lane.judged))
        hopeless = candidates[: min(too_many, len(waiting) - 1)]
        for task in hopeless:
            self.discard(task)
        return hopeless

    def pop_late(self, now: float) -> list[Task]:
        """All windows that are past their due time and may be shed."""
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


def choose_bucket(waiting: int, buckets: tuple[int, ...]) -> int:
    """The batch size to run when so many windows wait.

    Only sizes that were warmed are ever run. A size is padded up to when it is nearly
    filled; otherwise the largest one that can be filled is taken, since on most devices
    an empty row costs what a full one does.
    """
    filled = [size for size in buckets if size <= waiting]
    for size in buckets:
        if size > waiting and (not filled or waiting >= _WORTH_PADDING * size):
            return size
    return filled[-1]
