"""Several nodes with streams on them, one of which is killed in the middle."""

import random
from dataclasses import dataclass, field

import simpy

from dfd.benchmarks.fleet.node import Node, NodeOptions, Process, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """What is simulated.

    Attributes:
        nodes: number of nodes.
        streams: number of streams, spread evenly over the nodes at first.
        node: options of every node.
        seconds: simulated time.
        hop_seconds: time between two windows of a stream.
        kill_at: when one node is killed; None kills none.
        retry_seconds: longest first delay of a client before it connects again; each draws its own.
        attempt_seconds: time from an attempt to connect, through the balancer, to an answer.
        seed: seed of the random numbers.
    """

    nodes: int
    streams: int
    node: NodeOptions
    seconds: float = 30.0
    hop_seconds: float = 2.0
    kill_at: float | None = None
    retry_seconds: float = 0.2
    attempt_seconds: float = 0.05
    seed: int = 0


@dataclass(slots=True)
class FleetResult:
    """The outcome of a simulation.

    Attributes:
        tally: tally of all windows.
        after: tally of the windows since the kill; of all windows without one.
        away: seconds from the kill until each moved stream had its next result.
    """

    tally: Tally
    after: Tally
    away: list[float] = field(default_factory=list)

    @property
    def back_seconds(self) -> float:
        """Seconds until the last moved stream had a result again; 0 if none was moved."""
        return max(self.away, default=0.0)


def simulate(options: FleetOptions) -> FleetResult:
    """Runs the simulation."""
    environment, draw = simpy.Environment(), random.Random(options.seed)
    nodes = [Node(environment, options.node, draw) for _ in range(options.nodes)]
    for number in range(options.streams):
        environment.process(_stream(environment, options, nodes, number, draw))
    before = [(0, 0)] * len(nodes)

    def kill(at: float) -> Process:
        yield environment.timeout(at)
        before[:] = [(len(node.tally.latencies), node.tally.shed) for node in nodes]
        nodes[0].alive = False

    if options.kill_at is not None:
        environment.process(kill(options.kill_at))
    environment.run(until=options.seconds)
    whole, after = Tally(), Tally()
    for node, (scored, shed) in zip(nodes, before, strict=True):
        whole.latencies += node.tally.latencies
        whole.shed += node.tally.shed
        after.latencies += node.tally.latencies[scored:]
        after.shed += node.tally.shed - shed
    result = FleetResult(whole, after)
    if options.kill_at is not None:
        result.away = sorted(at - options.kill_at for node in nodes for at in node.moved)
    return result


def _stream(
    environment: simpy.Environment,
    options: FleetOptions,
    nodes: list[Node],
    number: int,
    draw: random.Random,
) -> Process:
    """Submits a window each hop; after a move, the killed node's last window again at once."""
    node = nodes[number % len(nodes)]
    node.streams += 1
    kill_at = options.kill_at if node is nodes[0] else None
    yield environment.timeout(draw.uniform(0.0, options.hop_seconds))
    while True:
        node.submit()
        left = options.hop_seconds
        if kill_at is not None and environment.now <= kill_at < environment.now + left:
            due = environment.now + left
            yield environment.timeout(kill_at - environment.now)
            delay = draw.uniform(0.5, 1.0) * options.retry_seconds + options.attempt_seconds
            yield environment.timeout(delay)
            node = min((one for one in nodes if one.alive), key=lambda one: one.streams)
            node.streams += 1
            node.submit(moved=True)
            kill_at, left = None, max(0.0, due - environment.now)
        yield environment.timeout(left)
