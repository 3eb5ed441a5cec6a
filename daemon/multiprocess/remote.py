"""A worker's scheduler: its windows go into slots, and to the least loaded instance.

When all slots are taken windows wait here, by the same rules as in front of a device. When an
instance dies each of its windows is a suspect: one after the other is retried while nothing else
of this worker is at any instance, and only the one whose instance dies again has failed.
"""

import asyncio
import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dfd.daemon.metrics import Metrics, Part
from dfd.daemon.multiprocess.memory import SharedCounts, WindowSlots
from dfd.daemon.multiprocess.records import REPLY, REQUEST, RecordLink, Verb
from dfd.daemon.scheduling.batching import DueQueue, Kind, Lane, Outcome, Task
from dfd.streaming.types import Samples, WindowStatus

STATUSES = tuple(WindowStatus)
_SWEEP_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class _RemoteLane(Lane):
    """A stream, with the number by which the instances know it."""

    number: int = 0


@dataclass(slots=True, eq=False)
class _Flight:
    """A window in a slot.

    Attributes:
        number: number of its lane.
        samples: its length in samples.
    """

    task: Task
    number: int
    samples: int
    instance: int


@dataclass(slots=True, eq=False)
class _Instance:
    """A reachable instance, and the slots that it is working on."""

    link: RecordLink
    slots: set[int] = field(default_factory=set)


class RemoteScheduler:
    """Schedules for the streams of one worker; belongs to one event loop.

    Args:
        worker: index of this worker in the counts.
        queue_limit: windows that may wait here; beyond it live ones are shed.
        on_instances: called with the number of reachable instances whenever it changes.
    """

    def __init__(
        self,
        worker: int,
        slots: WindowSlots,
        counts: SharedCounts,
        metrics: Metrics,
        queue_limit: int,
        on_instances: Callable[[int], None],
    ) -> None:
        self.clock = time.monotonic
        self._worker = worker
        self._rows = slots.rows
        self._counts = counts
        self._queue_length = Part(metrics.queue_length)
        self._queue_limit = queue_limit
        self._on_instances = on_instances
        self._loop = asyncio.get_running_loop()
        # last returned, first used: its pages are warm
        self._free = list(reversed(range(len(slots.rows))))
        self._flights: dict[int, _Flight] = {}
        # slots of windows that were at an instance that died, and the one being retried
        self._suspects: list[int] = []
        self._retried: int | None = None
        self._waiting = DueQueue()
        self._instances: dict[int, _Instance] = {}
        self._lanes: dict[int, _RemoteLane] = {}
        self._last_number = 0
        self._sweeping: asyncio.TimerHandle | None = None

    async def connect(self, instance: int, connection: socket.socket) -> None:
        """Connects an instance, replacing an earlier one with the same number."""
        link = RecordLink(REPLY, self._replied, lambda: self._lost(instance, link))
        await self._loop.connect_accepted_socket(lambda: link, connection)
        old = self._instances.pop(instance, None)
        self._instances[instance] = _Instance(link)
        for number in self._lanes:
            link.say(_request(Verb.OPEN, number))
        if old is not None:
            old.link.close()
            self._return(old)
        self._on_instances(len(self._instances))
        self._pump()

    def stop(self) -> None:
        """Reports what is still waiting as shed, and disconnects the instances."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        tasks = [flight.task for flight in self._flights.values()]
        while (task := self._waiting.pop()) is not None:
            tasks.append(task)
        for task in tasks:
            self._give_up(task, WindowStatus.SHED)
        instances, self._instances = self._instances, {}
        for instance in instances.values():
            instance.link.close()

    @property
    def reachable(self) -> bool:
        """Whether there is an instance."""
        return bool(self._instances)

    def open_lane(self) -> Lane:
        """Opens a lane for a stream."""
        self._last_number = (self._last_number + 1) & 0xFFFFFFFF
        lane = _RemoteLane(number=self._last_number)
        self._lanes[lane.number] = lane
        self._tell_all(Verb.OPEN, lane)
        return lane

    def close_lane(self, lane: Lane) -> None:
        """Closes a stream's lane; its waiting windows are never run."""
        assert isinstance(lane, _RemoteLane)
        self._shed(lane)
        if self._lanes.pop(lane.number, None) is not None:
            self._tell_all(Verb.CLOSE, lane)

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds a stream's waiting and running windows."""
        assert isinstance(lane, _RemoteLane)
        self._shed(lane)
        self._tell_all(Verb.CANCEL, lane)

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window, as described at `WindowScheduler`."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        task = Task(lane, samples, self.clock(), due_at, kind, channel, future)
        for needless in self._waiting.pop_needless(lane, channel):
            self._give_up(needless, WindowStatus.SHED)
        if kind is not Kind.PATIENT and len(self._waiting) >= self._queue_limit:
            self._give_up(task, WindowStatus.SHED)
            return future
        lane.tasks.add(task)
        self._waiting.push(task)
        self._pump()
        return future

    def _pump(self) -> None:
        """Sends the windows that can be sent."""
        self._try_suspects()
        trial = self._retried is not None or bool(self._suspects)
        while (
            self._free
            and self._instances
            and not trial
            and (task := self._waiting.pop()) is not None
        ):
            samples = task.samples
            assert isinstance(task.lane, _RemoteLane)
            assert samples is not None
            slot = self._free.pop()
            self._rows[slot, : len(samples)] = samples
            task.samples = None
            self._flights[slot] = flight = _Flight(task, task.lane.number, len(samples), -1)
            self._send(slot, flight)
        self._queue_length.set(len(self._waiting))
        if (self._waiting or self._suspects) and self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _try_suspects(self) -> None:
        """Sends the next suspect once nothing else is in flight."""
        while self._suspects and self._instances:
            if any(instance.slots for instance in self._instances.values()):
                return
            slot = self._suspects.pop(0)
            if self._flights[slot].task.future.done():
                del self._flights[slot]
                self._free.append(slot)
            else:
                self._retried = slot
                self._send(slot, self._flights[slot])

    def _send(self, slot: int, flight: _Flight) -> None:
        task = flight.task
        flight.instance = number = min(self._instances, key=self._counts.load)
        instance = self._instances[number]
        instance.slots.add(slot)
        self._counts.add_load(number, self._worker, 1)
        instance.link.say(
            REQUEST.pack(
                Verb.SUBMIT,
                task.kind,
                task.channel,
                flight.number,
                slot,
                flight.samples,
                task.arrived_at,
                task.due_at,
            )
        )

    def _replied(
        self, slot: int, status: int, batch: int, llr: float, queued: float, compute: float
    ) -> None:
        flight = self._land(slot)
        if flight is None:
            return
        score = None if math.isnan(llr) else llr
        self._free.append(slot)
        self._resolve(flight.task, Outcome(STATUSES[status], score, queued, compute, batch))
        if self._waiting or self._suspects:
            self._pump()

    def _land(self, slot: int) -> _Flight | None:
        """Takes a window back from its instance."""
        flight = self._flights.pop(slot, None)
        if flight is not None:
            self._counts.add_load(flight.instance, self._worker, -1)
            if flight.instance in self._instances:
                self._instances[flight.instance].slots.discard(slot)
            if slot == self._retried:
                self._retried = None
        return flight

    def _lost(self, number: int, link: RecordLink) -> None:
        instance = self._instances.get(number)
        if instance is None or instance.link is not link:
            return
        del self._instances[number]
        self._on_instances(len(self._instances))
        self._return(instance)

    def _return(self, instance: _Instance) -> None:
        """Takes back the windows of an instance that is gone."""
        for slot in sorted(instance.slots):
            failed_again = slot == self._retried
            flight = self._land(slot)
            if flight is None:
                continue
            if failed_again or flight.task.future.done():
                self._free.append(slot)
                self._give_up(flight.task, WindowStatus.FAILED)
            else:
                # it stays in its slot for the instance that will retry it
                self._flights[slot] = flight
                self._suspects.append(slot)
        self._pump()

    def _sweep(self) -> None:
        """Sheds windows that became late while they waited here."""
        self._sweeping = None
        now = self.clock()
        suspects = [self._flights[slot].task for slot in self._suspects]
        late = [task for task in suspects if task.late(now)]
        for task in late + self._waiting.pop_late(now):
            self._give_up(task, WindowStatus.SHED)
        self._pump()

    def _shed(self, lane: Lane) -> None:
        """Sheds a stream's windows; those in slots stay there until their instance has answered."""
        for task in tuple(lane.tasks):
            self._waiting.discard(task)
            self._give_up(task, WindowStatus.SHED)
        self._queue_length.set(len(self._waiting))

    def _tell_all(self, verb: Verb, lane: _RemoteLane) -> None:
        record = _request(verb, lane.number)
        for instance in self._instances.values():
            instance.link.say(record)

    def _give_up(self, task: Task, status: WindowStatus) -> None:
        self._resolve(task, Outcome(status, queue_seconds=self.clock() - task.arrived_at))

    def _resolve(self, task: Task, outcome: Outcome) -> None:
        task.samples = None
        task.lane.tasks.discard(task)
        if not task.future.done():
            task.future.set_result(outcome)


def _request(verb: Verb, lane: int) -> bytes:
    return REQUEST.pack(verb, 0, 0, lane, 0, 0, 0.0, 0.0)
