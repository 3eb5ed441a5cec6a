"""Where a forward pass spends its time on a card: the kernels, busiest first."""

from collections import Counter, defaultdict
from typing import Any

import torch
from torch import Tensor

from dfd.benchmarks.gpu.ways import Score

_SHOWN = 16
_LONGEST_NAME = 110


def busiest(score: Score, windows: Tensor, runs: int = 3) -> dict[str, Any]:
    """Returns the milliseconds per call in all kernels, and in the busiest by name."""
    import torch.profiler as profiler

    with torch.inference_mode():
        score(windows)
        torch.cuda.synchronize()
        with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as seen:
            for _ in range(runs):
                score(windows)
            torch.cuda.synchronize()
    spent: defaultdict[str, float] = defaultdict(float)
    count: Counter[str] = Counter()
    for event in seen.key_averages():
        spent[event.key] += float(getattr(event, "self_device_time_total", 0.0)) / 1e3 / runs
        count[event.key] += event.count
    return {
        "ms": round(sum(spent.values()), 3),
        "kernels": [
            {
                "ms": round(milliseconds, 3),
                "calls": count[name] // runs,
                "name": name[:_LONGEST_NAME],
            }
            for name, milliseconds in sorted(spent.items(), key=lambda item: -item[1])[:_SHOWN]
        ],
    }
