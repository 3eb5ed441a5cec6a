"""Windows of a benchmark are new in each call, so that nothing is measured but computing them."""

import numpy as np
from numpy.typing import NDArray

from dfd.benchmarks.model.compare import _call, _noise
from dfd.benchmarks.model.peers import Contestant


def test_no_hop_repeats_another() -> None:
    seen: list[bytes] = []

    def score(windows: NDArray[np.float32]) -> None:
        seen.extend(hop.tobytes() for hop in windows.reshape(-1, 2_000))

    noise = _noise(2, 4_000)
    calls = [_call(Contestant(name, "fp32", score), noise) for name in ("one", "another")]
    for _ in range(50):
        for call in calls:
            call()
    assert len(seen) == len(set(seen)) == 50 * 2 * 2 * 2
