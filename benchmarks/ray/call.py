"""What one call to the engine of a Ray cluster costs, with a model that scores nothing.

    python -m dfd.benchmarks.ray.call --calls 300

Prints the CPU time of each kind of process per call, over what it takes at rest, the CPU at rest,
and the median time of a call with one window.
"""

import argparse
import statistics
import time

import numpy as np

from dfd.benchmarks.ray.processes import cpu_seconds
from dfd.daemon.cluster.ray_engine import RayEngine
from dfd.daemon.engine_address import EngineAddress
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.noop import NOOP

_ENGINE = "ray://local"
_REST_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


def main(arguments: list[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dfd.benchmarks.ray.call", description="Measures calls to a Ray cluster."
    )
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args(arguments)
    engine = RayEngine(
        EngineAddress.parse(_ENGINE), ServeOptions(model=NOOP, engine=_ENGINE, threads=1)
    )
    samples = engine.spec.window_samples
    window = np.random.default_rng(0).standard_normal((1, samples)).astype(np.float32)
    length = np.array([samples])
    for _ in range(50):
        engine.score(window, length)
    time.sleep(2.0)
    before = cpu_seconds()
    time.sleep(_REST_SECONDS)
    rest = {name: (used - before[name]) / _REST_SECONDS for name, used in cpu_seconds().items()}
    before, began, took = cpu_seconds(), time.monotonic(), []
    for _ in range(given.calls):
        start = time.monotonic()
        engine.score(window, length)
        took.append(time.monotonic() - start)
        time.sleep(_PAUSE_SECONDS)
    elapsed = time.monotonic() - began
    each = {
        name: 1e3 * (used - before[name] - rest.get(name, 0.0) * elapsed) / given.calls
        for name, used in cpu_seconds().items()
    }
    for name, used in sorted(each.items(), key=lambda item: -item[1]):
        print(f"{name:32} {used:6.2f} ms a call, {rest.get(name, 0.0):.3f} of a core at rest")
    print(f"{'together':32} {sum(each.values()):6.2f} ms a call, {sum(rest.values()):.3f} at rest")
    print(f"median {1e3 * statistics.median(took):.1f} ms")


if __name__ == "__main__":
    main()
