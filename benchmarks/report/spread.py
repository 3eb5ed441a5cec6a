"""Several measurements of one thing, taken in turns with those of others."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of several measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least one measurement."""
        return cls(statistics.median(values), min(values), max(values))

    def inverse(self, numerator: float) -> "Spread":
        """Of `numerator` divided by each."""
        return Spread(numerator / self.median, numerator / self.high, numerator / self.low)

    def report(self, digits: int = 3) -> dict[str, Any]:
        """For JSON."""
        return {
            "median": round(self.median, digits),
            "low": round(self.low, digits),
            "high": round(self.high, digits),
        }


def once(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of a call's second run; its first prepares what stays."""
    call()
    began = clock()
    call()
    return max(clock() - began, 1e-9)


def measure_in_turns(
    calls: Mapping[_Key, Callable[[], object]],
    rounds: int,
    least_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    *,
    before: Mapping[_Key, float] | None = None,
    told: Callable[[dict[_Key, list[float]]], None] = lambda found: None,
    enough: Callable[[], bool] = lambda: False,
) -> dict[_Key, list[float]]:
    """Seconds a call, `rounds` times each, one after another in every round.

    What else the machine does then hits all of them, and their ratios stay.

    Args:
        calls: what to measure; each is called once before.
        rounds: measurements of each.
        least_seconds: a call is repeated within a measurement until this much has passed.
        clock: seconds, monotonic.
        before: what `once` gave of each, where it was asked already.
        told: given what was found so far after each round.
        enough: asked before each measurement; True ends here, and what has none by then keeps
            its first one.
    """
    first = {key: once(call, clock) for key, call in calls.items()} if before is None else before
    repeats = {key: max(1, round(least_seconds / first[key])) for key in calls}
    found: dict[_Key, list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            if enough():
                return {name: seconds or [first[name]] for name, seconds in found.items()}
            began = clock()
            for _ in range(repeats[key]):
                call()
            found[key].append((clock() - began) / repeats[key])
        told(found)
    return found
