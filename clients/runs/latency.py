"""How long results took, and where the time was spent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_PERCENTILES = (50, 90, 95, 99)


def percentiles_ms(seconds: list[float]) -> dict[str, float] | None:
    """Returns p50, p90, p95, p99 and max in milliseconds, and the count; None if it is empty."""
    if not seconds:
        return None
    values = np.asarray(seconds) * 1000.0
    found = {f"p{p}": round(float(np.percentile(values, p)), 3) for p in _PERCENTILES}
    return {**found, "max": round(float(values.max()), 3), "count": len(seconds)}


@dataclass
class Latency:
    """Seconds that scored windows took, one entry for each window.

    Attributes:
        total: from the moment the window's last sample was sent to its result.
        queue: the part spent waiting on the server for a batch.
        compute: the part spent in the batch's forward pass.
    """

    total: list[float] = field(default_factory=list)
    queue: list[float] = field(default_factory=list)
    compute: list[float] = field(default_factory=list)

    def add(self, total: float, queue: float, compute: float) -> None:
        """Adds one window."""
        self.total.append(total)
        self.queue.append(queue)
        self.compute.append(compute)

    def extend(self, other: Latency) -> None:
        """Adds the windows of another."""
        self.total += other.total
        self.queue += other.queue
        self.compute += other.compute

    def report(self) -> dict[str, dict[str, float] | None]:
        """Returns the percentiles of all three."""
        return {
            "latency_ms": percentiles_ms(self.total),
            "queue_ms": percentiles_ms(self.queue),
            "compute_ms": percentiles_ms(self.compute),
        }
