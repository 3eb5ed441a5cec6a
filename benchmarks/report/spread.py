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
        """Returns the spread of at least one measurement."""
        return cls(statistics.median(values), min(values), max(values))

    def inverse(self, numerator: float) -> "Spread":
        """Returns the spread of `numerator` divided by each."""
        return Spread(numerator / self.median, numerator / self.high, numerator / self.low)

    def report(self, digits: int = 3) -> dict[str, Any]:
        """Returns the spread for JSON."""
        return {
            "median": round(self.median, digits),
            "low": round(self.low, digits),
            "high": round(self.high, digits),
        }


def once(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Returns the seconds of a call's second run; the first may prepare what is kept."""
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
    """Measures the seconds of each call `rounds` times, one call after another in every round.

    Other work on the machine then affects all of them alike, and their ratios stay.

    Args:
        calls: what to measure; each is called once before.
        rounds: number of measurements of each.
        least_seconds: a call is repeated within a measurement until this much has passed.
        clock: a monotonic clock in seconds.
        before: results of `once` for each, if already measured.
        told: called after each round with what was found so far.
        enough: called before each measurement; True ends the measurement, and a call without one
            keeps its first run.
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
