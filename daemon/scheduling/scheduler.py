"""The scheduler: batches the windows of all streams for the one worker on the device.

Windows run in order of due time. A live window past its due time is dropped before the forward
pass; a batch that fails is run again window by window, so that a window that cannot be scored
fails alone; the worker is monitored and restarted.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from dfd.daemon import background
from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics, Part
from dfd.daemon.scheduling.batching import DueQueue, Kind, Lane, Outcome, SchedulerOptions, Task
from dfd.daemon.scheduling.device import DeviceThread
from dfd.daemon.scheduling.passes import ForwardPasses
from dfd.daemon.scheduling.sizes import BatchSizes
from dfd.detector.spec import Scorer
from dfd.errors import UserError
from dfd.streaming.types import Samples, WindowStatus

_RESTART_DELAY_SECONDS = 0.05


class Scheduler:
    """Owns the queue and the device; belongs to one event loop.

    Args:
        scorer: the classifier; its `score` runs only in the device thread.
        device: the thread that loaded the classifier.
        clock: a monotonic clock, in seconds.
        on_hung: called when consecutive forward passes had to be given up.
    """

    def __init__(
        self,
        scorer: Scorer,
        options: SchedulerOptions,
        metrics: Metrics,
        device: DeviceThread | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_hung: Callable[[], None] | None = None,
    ) -> None:
        self.options = options
        self.clock = clock
        self._metrics = metrics
        self._passes = ForwardPasses(
            scorer,
            device or DeviceThread(),
            options.window_samples,
            options.batch_timeout_seconds,
            metrics,
            on_hung,
        )
        self._sizes = BatchSizes(options.batch_buckets)
        self._queue = DueQueue()
        self._queue_length = Part(metrics.queue_length)
        self._lanes = 0
        self._wake = asyncio.Event()
        self._running: list[Task] = []
        self._opened_at = math.inf
        self._supervisor: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the worker and its supervision."""
        self._supervisor = asyncio.get_running_loop().create_task(
            self._supervise(), name="dfd-scheduler"
        )

    async def stop(self) -> None:
        """Stops the worker; windows that are still waiting are reported as shed."""
        await background.end(self._supervisor)
        self._give_up(self._running, WindowStatus.SHED)
        while (task := self._queue.pop()) is not None:
            self._give_up([task], WindowStatus.SHED)
        self._passes.close()

    def switch_to(
        self,
        scorer: Scorer,
        device: DeviceThread,
        batch_buckets: tuple[int, ...] | None = None,
    ) -> DeviceThread:
        """Switches to another classifier, from the next batch on; returns the old one's thread.

        Args:
            scorer: the classifier, for windows of the same length.
            device: the thread that loaded it.
            batch_buckets: its batch sizes; None keeps those of the old one.
        """
        if batch_buckets is not None:
            self._sizes.buckets = batch_buckets
        return self._passes.switch_to(scorer, device)

    def open_lane(self) -> Lane:
        """Opens a lane for a stream."""
        self._lanes += 1
        return Lane()

    def close_lane(self, lane: Lane) -> None:
        """Closes a stream's lane; its waiting windows are never run."""
        self.cancel_lane(lane)
        self._lanes -= 1
        self._wake.set()

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds a stream's waiting and running windows."""
        for task in tuple(lane.tasks):
            self._queue.discard(task)
            self._resolve(task, Outcome(WindowStatus.SHED))
        self._queue_length.set(len(self._queue))

    def submit(
        self,
        lane: Lane,
        samples: Samples,
        *,
        due_at: float,
        kind: Kind,
        channel: int = 0,
        arrived_at: float | None = None,
    ) -> asyncio.Future[Outcome]:
        """Queues a window.

        Args:
            lane: lane of the window's stream.
            samples: its audio, at most as long as the classifier's window.
            due_at: its due time on `clock`, after which a live window is too late.
            kind: whether it may be shed, and how soon.
            channel: channel of its stream; a window supersedes EARLY ones before it.
            arrived_at: when it began to wait; None means now.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        now = self.clock() if arrived_at is None else arrived_at
        task = Task(lane, samples, now, due_at, kind, channel, future)
        if (tracing := self._metrics.tracing) is not None:
            task.trace = tracing.submitting()
        self._give_up(self._queue.pop_needless(lane, channel), WindowStatus.SHED)
        if not self._make_room(kind):
            self._give_up([task], WindowStatus.SHED)
            return future
        lane.tasks.add(task)
        self._queue.push(task)
        self._queue_length.set(len(self._queue))
        self._opened_at = min(self._opened_at, now)
        self._wake.set()
        return future

    def _make_room(self, kind: Kind) -> bool:
        """Returns whether a window may wait; if the queue is full, an EARLY one makes room."""
        if kind is Kind.PATIENT or len(self._queue) < self.options.queue_limit:
            return True
        early = self._queue.pop_early() if kind is Kind.LIVE else None
        if early is not None:
            self._give_up([early], WindowStatus.SHED)
        return early is not None

    async def _supervise(self) -> None:
        """Restarts the worker if it dies."""
        while True:
            try:
                await self._work()
            except Exception:
                self._metrics.scheduler_restarts.inc()
                log(logging.ERROR, "scheduler worker died, restarting", exc_info=True)
                self._give_up(self._running, WindowStatus.FAILED)
                self._running = []
                await asyncio.sleep(_RESTART_DELAY_SECONDS)

    async def _work(self) -> None:
        while True:
            await self._until_worthwhile()
            # kept here from the first window on, so that none is lost if the worker dies
            batch: list[Task] = []
            self._running = batch
            self._take_batch(batch)
            if batch:
                await self._run(batch)

    async def _until_worthwhile(self) -> None:
        """Waits until the batch is full, has waited long enough, or has nothing to wait for."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            waiting = len(self._queue)
            if waiting:
                left = self._opened_at + self.options.max_queue_delay_seconds - self.clock()
                full = waiting >= self._sizes.buckets[-1]
                if full or left <= 0.0 or self._queue.lanes_waiting >= self._lanes:
                    return
                timer = loop.call_later(left, self._wake.set)
                await self._wake.wait()
                timer.cancel()
            else:
                await self._wake.wait()

    def _take_batch(self, batch: list[Task]) -> None:
        """Takes the windows due first, shedding those that are late."""
        now, waiting = self.clock(), len(self._queue)
        size = self._sizes.choose(waiting, self._queue.allowance) if waiting else 0
        if size and (each := self._sizes.seconds_each) > 0.0:
            # whatever its position, a window is done when its whole batch is
            hopeless = self._queue.pop_hopeless(now + (size - 1) * each, each)
            self._give_up(hopeless, WindowStatus.SHED)
        while len(batch) < size and (task := self._queue.pop()) is not None:
            if task.late(now):
                self._give_up([task], WindowStatus.SHED)
            else:
                batch.append(task)
        # whatever is left has already waited for this batch
        self._opened_at = -math.inf if self._queue else math.inf
        self._queue_length.set(len(self._queue))

    async def _run(self, batch: list[Task]) -> None:
        try:
            await self._score(batch)
        except TimeoutError:
            log(logging.ERROR, "batch given up", windows=len(batch))
            self._metrics.batch_failures.inc()
            self._give_up(batch, WindowStatus.FAILED)
        except Exception as error:
            self._metrics.batch_failures.inc()
            _log_failure("batch failed", error, windows=len(batch))
            for task in batch:
                await self._run_alone(task)

    async def _run_alone(self, task: Task) -> None:
        """Retries one window of a failed batch, once."""
        if task.future.done():
            return
        if task.late(self.clock()):
            self._give_up([task], WindowStatus.SHED)
            return
        try:
            await self._score([task])
        except Exception as error:
            self._metrics.batch_failures.inc()
            _log_failure("window failed", error)
            self._give_up([task], WindowStatus.FAILED)

    async def _score(self, batch: list[Task]) -> None:
        """Runs one forward pass; resolves its windows or raises."""
        started_at = self.clock()
        live = [task for task in batch if task.samples is not None]
        windows = [task.samples for task in live if task.samples is not None]
        llrs = await self._passes.score(windows)
        compute = self.clock() - started_at
        self._metrics.batch_done(len(windows), compute)
        if (tracing := self._metrics.tracing) is not None:
            tracing.batch(compute, (task.trace for task in live), len(windows))
        self._sizes.took(compute, len(windows))
        for task, llr in zip(live, llrs.tolist(), strict=False):
            queued = started_at - task.arrived_at
            if math.isfinite(llr):
                outcome = Outcome(WindowStatus.SCORED, llr, queued, compute, len(windows))
            else:
                outcome = Outcome(WindowStatus.FAILED, None, queued, compute, len(windows))
            self._metrics.queue_seconds.observe(queued)
            if task.kind is not Kind.EARLY:
                task.lane.note(shed=False)
            self._resolve(task, outcome)

    def _give_up(self, tasks: Sequence[Task], status: WindowStatus) -> None:
        now = self.clock()
        for task in tasks:
            if task.kind is not Kind.EARLY and status is WindowStatus.SHED:
                task.lane.note(shed=True)
            self._resolve(task, Outcome(status, queue_seconds=now - task.arrived_at))

    def _resolve(self, task: Task, outcome: Outcome) -> None:
        task.samples = None
        task.lane.tasks.discard(task)
        if not task.future.done():
            task.future.set_result(outcome)


def _log_failure(event: str, error: Exception, **fields: object) -> None:
    """Logs why windows failed; what an operator can mend, without a traceback."""
    if isinstance(error, UserError):
        log(logging.ERROR, event, why=str(error), **fields)
    else:
        log(logging.ERROR, event, exc_info=error, **fields)
