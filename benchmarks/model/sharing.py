"""Measures what is saved by computing the frames that two windows share only once.

    python -m dfd.benchmarks.model.sharing [--model wav2vec2-xls-r-300m] [--rounds 7] [--threads N]

It scores the windows of one stream with 50 % overlap, one after another, by a network with random
weights and without normalisation of windows: once as it is served, once as if its windows did not
overlap. These take turns, so that other work on the machine affects both alike; the scores must be
the same.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dfd.benchmarks.model.networks import SIZES, write_random
from dfd.benchmarks.report import machine
from dfd.benchmarks.report.spread import Spread, measure_in_turns
from dfd.detector import Detector, ModelOverrides, load_detector

_WINDOW_SECONDS, _HOP_SECONDS = 4.0, 2.0
_SPARE_WINDOWS = 8


def measure(folder: Path, rounds: int, threads: int | None) -> dict[str, Any]:
    """Measures milliseconds per window of both, and the median of their ratio in each round."""
    hops = {"shared": _HOP_SECONDS, "apart": _WINDOW_SECONDS}
    detectors = {
        name: load_detector(
            str(folder),
            device="cpu",
            precision="fp32",
            batch_buckets=(1,),
            threads=threads,
            overrides=ModelOverrides(normalize=False, hop_seconds=hop),
        )
        for name, hop in hops.items()
    }
    spec = next(iter(detectors.values())).spec
    size, hop = spec.window_samples, spec.window_samples // 2
    count = 2 * rounds + _SPARE_WINDOWS
    generator = np.random.default_rng(0)
    audio = (0.1 * generator.standard_normal((count + 1) * hop)).astype(np.float32)
    windows = [audio[start : start + size] for start in range(0, len(audio) - size + 1, hop)]
    scores: dict[str, list[float]] = {name: [] for name in detectors}

    def following(name: str, detector: Detector) -> Callable[[], None]:
        places = itertools.count()

        def score() -> None:
            window = windows[next(places)][None]
            scores[name].append(float(detector.score(window, np.array([size]))[0]))

        return score

    calls = {name: following(name, detector) for name, detector in detectors.items()}
    times = measure_in_turns(calls, rounds, 0.0)
    both = [np.array(scores[name]) for name in ("shared", "apart")]
    difference = float(np.abs(both[0] - both[1]).max())
    assert difference < 1e-3, f"scores differ by {difference}"
    pairs = zip(times["apart"], times["shared"], strict=True)
    return {
        "machine": machine.describe(),
        "ms_per_window": {
            name: Spread.of([1000.0 * value for value in values]).report(1)
            for name, values in times.items()
        },
        "ratio": round(statistics.median(slow / fast for slow, fast in pairs), 3),
        "largest_difference": difference,
    }


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m dfd.benchmarks.model.sharing",
        description=__doc__.splitlines()[0] if __doc__ else None,
    )
    parser.add_argument("--model", choices=sorted(SIZES), default="wav2vec2-xls-r-300m")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        folder = write_random(given.model, Path(made) / given.model)
        print(json.dumps(measure(folder, given.rounds, given.threads), indent=2))


if __name__ == "__main__":
    main()
