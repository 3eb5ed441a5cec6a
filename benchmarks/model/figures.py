"""The report of `dfd bench model`, from what has been measured so far."""

import statistics
from collections.abc import Mapping
from typing import Any

from dfd.benchmarks.report.spread import Spread

Key = tuple[str, str, int]
Times = Mapping[Key, list[float]]
Report = dict[str, Any]
# Ratios are relative to this if it was measured, otherwise to dfd's own fp32.
_PEERS = (("transformers", "fp32"), ("eager", "fp32"))


def results(times: Times, operations: int, peaks: Mapping[str, float]) -> list[Report]:
    """Returns a row for each engine, precision and batch.

    Args:
        times: seconds per batch, one measurement per round.
        operations: number of operations for one window.
        peaks: operations per second of a matrix product, by precision.
    """
    reference = _reference(times)
    rows = []
    for (engine, precision, batch), seconds in times.items():
        rate = Spread.of(seconds).inverse(batch)
        reached = rate.median * operations
        top = peaks.get(precision)
        row = {
            "engine": engine,
            "precision": precision,
            "batch": batch,
            "windows_per_second": round(rate.median, 3),
            "windows_per_second_low": round(rate.low, 3),
            "windows_per_second_high": round(rate.high, 3),
            "ms_per_window": round(1000.0 / rate.median, 3),
            "flops": round(reached),
            "of_peak": None if top is None else round(reached / top, 3),
        }
        other = None if reference is None else times.get((*reference, batch))
        if reference is not None and other is not None and (engine, precision) != reference:
            # within a round, so that other work on the machine cancels out
            ratio = Spread.of([b / a for a, b in zip(seconds, other, strict=False)])
            row["ratio"] = {"to": " ".join(reference)} | ratio.report()
        rows.append(row)
    return rows


def best(rows: list[Report]) -> dict[str, float]:
    """Returns the most windows per second of each engine and precision at any batch size."""
    found: dict[str, float] = {}
    for row in rows:
        name = f"{row['engine']} {row['precision']}"
        found[name] = max(found.get(name, 0.0), row["windows_per_second"])
    return found


def said(key: Key, seconds: list[float]) -> str:
    """Describes a figure in one line."""
    engine, precision, batch = key
    rate = batch / statistics.median(seconds)
    times = "once" if len(seconds) == 1 else f"{len(seconds)} times"
    return f"{engine} {precision}, batch {batch}: {rate:.2f} windows/s, measured {times}"


def _reference(times: Times) -> tuple[str, str] | None:
    kinds = [(engine, precision) for engine, precision, _ in times]
    plain = (kind for kind in _PEERS if kind in kinds)
    return next(plain, next((kind for kind in kinds if kind[1] == "fp32"), None))
