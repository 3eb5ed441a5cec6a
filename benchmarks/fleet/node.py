"""One node as a discrete-event simulation: windows that become due, batches, deadlines."""

import heapq
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from dfd.benchmarks.fleet.costs import PassCost

Process = Generator[Any, Any, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """A node as `dfd serve` runs it.

    Attributes:
        pass_cost: time of a forward pass on an idle machine.
        slowdown: factor by which the node's other work prolongs a pass.
        jitter: relative standard deviation of the time of a pass.
        batch: largest number of windows in a pass.
        queue_delay_seconds: how long a window waits for others at most.
        deadline_seconds: a live window that has waited longer is shed.
        network_seconds: time from the client and back, without waiting.
    """

    pass_cost: PassCost
    slowdown: float = 1.0
    jitter: float = 0.1
    batch: int = 16
    queue_delay_seconds: float = 0.02
    deadline_seconds: float = 3.0
    network_seconds: float = 0.01


@dataclass(slots=True)
class Tally:
    """The latencies of scored windows, and the number of shed ones."""

    latencies: list[float] = field(default_factory=list)
    shed: int = 0

    def percentile(self, share: float) -> float:
        """Returns the latency that this share of windows does not exceed; 0 without any."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def shed_share(self) -> float:
        """Share of the windows that were shed."""
        total = self.shed + len(self.latencies)
        return self.shed / total if total else 0.0


class Node:
    """Takes windows and runs them in batches, those due first before others.

    Attributes:
        tally: what became of its windows.
        moved: when it returned the results of windows that another node had lost.
        alive: whether it runs; once False, it returns no more results.
        streams: number of streams on it.
    """

    def __init__(
        self, environment: simpy.Environment, options: NodeOptions, draw: random.Random
    ) -> None:
        self._environment = environment
        self._options = options
        self._draw = draw
        self._waiting: list[tuple[float, float, bool]] = []
        self.moved: list[float] = []
        self._wake = environment.event()
        self.tally = Tally()
        self.alive = True
        self.streams = 0
        environment.process(self._work())

    def submit(self, *, moved: bool = False) -> None:
        """Takes a window; one that another node lost (`moved`) is not live, and never shed."""
        now = self._environment.now
        heapq.heappush(self._waiting, (now + self._options.deadline_seconds, now, moved))
        if not self._wake.triggered:
            self._wake.succeed()

    def _work(self) -> Process:
        options = self._options
        while True:
            if not self._waiting:
                self._wake = self._environment.event()
                yield self._wake
            if len(self._waiting) < options.batch:
                yield self._environment.timeout(options.queue_delay_seconds)
            batch = self._take()
            if not batch:
                continue
            factor = max(0.2, self._draw.gauss(1.0, options.jitter)) * options.slowdown
            yield self._environment.timeout(factor * options.pass_cost.seconds(len(batch)))
            if not self.alive:
                return
            done = self._environment.now + options.network_seconds
            self.tally.latencies += [done - arrived_at for arrived_at, _ in batch]
            self.moved += [done for _, moved in batch if moved]

    def _take(self) -> list[tuple[float, bool]]:
        batch: list[tuple[float, bool]] = []
        while self._waiting and len(batch) < self._options.batch:
            due, arrived_at, moved = heapq.heappop(self._waiting)
            if due < self._environment.now and not moved:
                self.tally.shed += 1
            else:
                batch.append((arrived_at, moved))
        return batch
