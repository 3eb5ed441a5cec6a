"""Several nodes with streams on them, one of which is killed in the middle."""

import random
from dataclasses import dataclass, field

import simpy

from dfd.benchmarks.fleet.node import Node, NodeOptions, Process, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """What is simulated.

    Attributes:
        nodes, streams: streams are spread evenly at first.
        seconds: of the service.
        hop_seconds: between two windows of a stream.
        kill_at: when one node is killed; None kills none.
        retry_seconds: longest of the client's first delays, of which each draws its own.
        attempt_seconds: of one attempt to connect, through the balancer, to an answer.
        seed: of what is drawn.
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
    """What came of it.

    Attributes:
        tally: of all windows from the first hop on.
        after: of windows from the kill on.
        away: seconds from the kill until each moved stream had its next result.
    """

    tally: Tally
    after: Tally
    away: list[float] = field(default_factory=list)

    @property
    def back_seconds(self) -> float:
        """When the last stream had a result again; 0 where none was moved."""
        return max(self.away, default=0.0)


def simulate(options: FleetOptions) -> FleetResult:
    """Runs the service for its time."""
    environment, draw = simpy.Environment(), random.Random(options.seed)
    nodes = [Node(environment, options.node, draw) for _ in range(options.nodes)]
    for number in range(options.streams):
        environment.process(_stream(environment, options, nodes, number, draw))
    if options.kill_at is not None:
        environment.process(_kill(environment, options.kill_at, nodes[0]))
    marks = [0] * len(nodes)

    def mark() -> Process:
        yield environment.timeout(options.kill_at or options.seconds)
        marks[:] = [len(node.tally.latencies) for node in nodes]

    environment.process(mark())
    environment.run(until=options.seconds)
    whole, after = Tally(), Tally()
    for node, done in zip(nodes, marks, strict=True):
        whole.latencies += node.tally.latencies
        whole.shed += node.tally.shed
        after.latencies += node.tally.latencies[done:]
        after.shed += node.tally.shed
    result = FleetResult(whole, after)
    if options.kill_at is not None:
        result.away = sorted(at - options.kill_at for node in nodes for at in node.moved)
    return result


def _kill(environment: simpy.Environment, at: float, node: Node) -> Process:
    yield environment.timeout(at)
    node.alive = False


def _stream(
    environment: simpy.Environment,
    options: FleetOptions,
    nodes: list[Node],
    number: int,
    draw: random.Random,
) -> Process:
    """A window each hop; after a move, the last one that the lost node had comes again at once."""
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
