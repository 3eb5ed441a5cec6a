"""What a stream costs, and how many nodes a number of streams needs, at what price."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PassCost:
    """The time of a forward pass over n windows: `fixed_seconds + n * window_seconds`."""

    fixed_seconds: float
    window_seconds: float

    def seconds(self, windows: int) -> float:
        """Returns the time of one pass over this many windows."""
        return self.fixed_seconds + windows * self.window_seconds


def passes_of(
    report: dict[str, Any], precision: str, new_seconds: float
) -> list[tuple[float, float]]:
    """Returns windows and seconds of the passes that `dfd bench model` measured by TorchScript.

    Args:
        report: what it wrote with `--report`; its windows are new from end to end.
        precision: which of its results.
        new_seconds: how much of each window of a stream is new to the model: a hop, if the model
            keeps what it has made of the rest, else the whole window.

    Raises:
        ValueError: if the report has no such results.
    """
    share = report["window_seconds"] / new_seconds
    found = [
        (share * one["batch"], one["batch"] / one["windows_per_second"])
        for one in report["results"]
        if one["engine"] == "torchscript" and one["precision"] == precision
    ]
    if not found:
        raise ValueError(f"the report has no results of torchscript in {precision}")
    return found


def fit_pass_cost(measured: Sequence[tuple[float, float]]) -> PassCost:
    """Fits a line through passes of several batch sizes by least squares.

    Args:
        measured: batch size and seconds of each pass, with at least two different sizes.

    Raises:
        ValueError: if there are fewer than two different sizes.
    """
    sizes = [size for size, _ in measured]
    if len(set(sizes)) < 2:
        raise ValueError("a fit needs at least two batch sizes")
    mean_size = sum(sizes) / len(measured)
    mean_time = sum(time for _, time in measured) / len(measured)
    spread = sum((size - mean_size) ** 2 for size in sizes)
    slope = sum((s - mean_size) * (t - mean_time) for s, t in measured) / spread
    return PassCost(max(0.0, mean_time - slope * mean_size), slope)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """A kind of machine.

    Attributes:
        name: its name, for messages.
        front_cores: cores for everything but the classifier.
        front_seconds: CPU seconds per second of a stream, without the classifier.
        scorers: number of devices, or cores, that run forward passes.
        windows_per_second: rate of one scorer, in large batches.
        price_per_hour: price of the whole machine, in any currency.
    """

    name: str
    front_cores: float
    front_seconds: float
    scorers: int
    windows_per_second: float
    price_per_hour: float

    def streams(self, hop_seconds: float, utilisation: float) -> int:
        """Returns the streams that it holds if this share of its capacity is used."""
        front = self.front_cores / self.front_seconds
        scoring = self.scorers * self.windows_per_second * hop_seconds
        return math.floor(utilisation * min(front, scoring))

    def limit(self, hop_seconds: float) -> str:
        """Returns what limits the streams: "front" or "scoring"."""
        scoring = self.scorers * self.windows_per_second * hop_seconds
        return "front" if self.front_cores / self.front_seconds < scoring else "scoring"


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes of one kind for a number of streams."""

    kind: NodeKind
    streams_each: int
    nodes: int
    price_per_hour: float


def plan(
    kind: NodeKind, streams: int, *, hop_seconds: float, utilisation: float, spare_nodes: int
) -> Plan:
    """Plans nodes for a number of streams, with spare ones for those that fail or are replaced.

    Raises:
        ValueError: if a node cannot hold even one stream.
    """
    each = kind.streams(hop_seconds, utilisation)
    if each < 1:
        raise ValueError(f"a node of the kind {kind.name} cannot hold a stream")
    nodes = math.ceil(streams / each) + spare_nodes
    return Plan(kind, each, nodes, nodes * kind.price_per_hour)
