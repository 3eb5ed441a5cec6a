"""The windows per second that a model scores on this machine."""

import dataclasses
import time
from typing import Any

from dfd.cli._waiting import Waits

_MEASURED_SECONDS = 2.0


def speed_here(model: str, measure: bool) -> dict[str, Any]:
    """Returns the speed of a model on this machine, measured now or before; empty if unknown."""
    from dfd.detector.files.digests import weights_sha256
    from dfd.detector.speeds import known_speed
    from dfd.errors import UserError

    if measure:
        with Waits("models list").bar(f"measuring {model}"):
            _measure(model)
    try:
        found = known_speed(weights_sha256(model))
    except UserError:
        return {}
    if found is None:
        return {}
    fields = dataclasses.asdict(found)
    return {"windows_per_second": fields.pop("windows_per_second"), "measured": fields}


def _measure(model: str) -> None:
    """Measures how many full windows a detector scores per second here, one at a time."""
    import numpy as np

    from dfd.detector import load_detector
    from dfd.detector.speeds import remember_speed

    detector = load_detector(model, batch_buckets=(1,), device="cpu")
    size = detector.spec.window_samples
    noise = np.random.default_rng(0)
    length = np.array([size])

    def window() -> Any:
        # a new one each time, because what two windows have in common may be cached
        return noise.normal(0.0, 0.1, (1, size)).astype(np.float32)

    detector.score(window(), length)
    seconds: list[float] = []
    while not seconds or sum(seconds) < _MEASURED_SECONDS:
        one = window()
        began = time.perf_counter()
        detector.score(one, length)
        seconds.append(time.perf_counter() - began)
    spec = detector.spec
    remember_speed(
        spec.weights_sha256,
        len(seconds) / sum(seconds),
        batch=1,
        engine=spec.engine,
        precision=spec.precision,
    )
