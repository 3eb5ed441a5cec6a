"""`dfd bench model`: the classifier alone, by batch size, against its peers."""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from dfd.benchmarks.model import figures, peak
from dfd.benchmarks.model.entrants import Entrants, ModelOptions
from dfd.benchmarks.model.families import FAMILIES, write_family
from dfd.benchmarks.model.networks import SIZES, write_random
from dfd.benchmarks.model.peers import Contestant
from dfd.benchmarks.model.published import PUBLISHED, write_published
from dfd.benchmarks.report import machine
from dfd.benchmarks.report.spread import measure_in_turns, once
from dfd.detector import Detector
from dfd.detector.devices import resolve_device
from dfd.detector.files.read import find_model, read_checkpoint
from dfd.detector.precision import FP32
from dfd.detector.signals import probe_signals

Report = dict[str, Any]
# The share of the time after which no further peer is loaded, so that some is left for the rounds.
_LOADING = 0.5
# samples between those by which repeated windows differ; far fewer than any network takes at once
_CHANGED_EVERY = 1_000
_NUMBERS = itertools.count(1)


def run(
    options: ModelOptions,
    tell: Callable[[str], None] = lambda line: None,
    keep: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Measures and returns the report.

    Args:
        options: what to measure.
        tell: called with what is being done, and with each figure as it comes.
        keep: called with the report so far after each figure.

    Raises:
        UserError: if there is no such model or device.
    """
    began = time.monotonic()
    device = resolve_device(options.device)
    with _folder(options.model) as folder:
        entrants = Entrants(options, folder, device, tell)

        def late() -> bool:
            return time.monotonic() - began > _LOADING * options.seconds

        own = entrants.own(late)
        first_own = next(own)
        spec = entrants.spec
        batches = spec.batch_buckets[: options.most_batches]
        tell("counting operations and measuring the matrix peak")
        report: Report = {
            "benchmark": "model",
            "machine": machine.describe(),
            "model": options.model,
            "device": str(device),
            "threads": torch.get_num_threads() if device.type == "cpu" else None,
            "clock": "cpu" if options.cpu_time else "wall",
            "window_seconds": spec.window_samples / spec.sample_rate_hz,
            "operations_per_window": count_operations(folder),
            "peak_flops": _peaks({FP32, *entrants.precisions}, device, options),
            "largest_difference_in_probability": {},
            "compared_on": len(options.recordings) or "synthetic signals",
            "missing": entrants.missing,
            "load_seconds": entrants.load_seconds,
        }

        def fill(times: figures.Times) -> None:
            rows = figures.results(times, report["operations_per_window"], report["peak_flops"])
            report["results"], report["best"] = rows, figures.best(rows)
            report["rounds"] = min(map(len, times.values()), default=0)
            keep(report)

        noise = _noise(max(batches), spec.window_samples)
        calls: dict[figures.Key, Callable[[], object]] = {}
        first: dict[figures.Key, float] = {}

        def enter(one: Contestant) -> None:
            """Runs each batch of a contestant once and shows its figures right away."""
            for batch in batches:
                key = (one.engine, one.precision, batch)
                call = _call(one, noise[:batch])
                try:
                    first[key] = once(call, _clock(options))
                except Exception as error:  # whatever fails in a peer concerns only that peer
                    said = f"failed: {str(error).splitlines()[0]}"
                    entrants.missing[f"{one.engine} {one.precision}"] = said
                    return
                calls[key] = call
                tell(figures.said(key, [first[key]]))
                fill({name: [seconds] for name, seconds in first.items()})

        for one in itertools.chain([first_own], own):
            enter(one)
        for one in entrants.peers(late):
            enter(one)

        def told(times: dict[figures.Key, list[float]]) -> None:
            for key, seconds in times.items():
                tell(figures.said(key, seconds))
            fill(times)

        measured = measure_in_turns(
            calls,
            options.rounds,
            options.least_seconds,
            _clock(options),
            before=first,
            told=told,
            enough=lambda: time.monotonic() - began > options.seconds,
        )
        fill(measured)
        tell("comparing precisions")
        report["largest_difference_in_probability"] = compare(
            entrants.detectors, options.recordings
        )
    return report


def count_operations(folder: Path) -> int:
    """Counts the operations of one window's matrix products and convolutions."""
    checkpoint = read_checkpoint(str(folder))
    window = torch.zeros(1, checkpoint.card.window_samples)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        checkpoint.network(window, None)
    return int(counter.get_total_flops())


def compare(
    detectors: dict[tuple[str, str], Detector], recordings: tuple[Path, ...]
) -> dict[str, float]:
    """Returns the largest difference in P(spoof) from the first engine's fp32, for the others."""
    reference = next((one for (_, name), one in detectors.items() if name == "fp32"), None)
    if reference is None or len(detectors) == 1:
        return {}
    spec = reference.spec
    if recordings:
        windows, lengths = _first_windows(recordings, spec.window_samples, spec.sample_rate_hz)
    else:
        windows, lengths = probe_signals(spec.window_samples, spec.sample_rate_hz, draw=2)
    expected = _probabilities(reference, windows, lengths)
    return {
        f"{engine} {precision}": round(
            float(np.abs(_probabilities(detector, windows, lengths) - expected).max()), 5
        )
        for (engine, precision), detector in detectors.items()
        if detector is not reference
    }


def _probabilities(
    detector: Detector, windows: NDArray[np.float32], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    llrs = detector.score(windows, lengths).astype(np.float64)
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-llrs))
    return found


def _first_windows(
    recordings: tuple[Path, ...], window_samples: int, rate: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Reads the first window of each recording, from its first channel."""
    # imported here: decoding needs packages that a machine for scripts/gpu-check may lack
    from dfd.benchmarks.recordings import first_channel

    windows = np.zeros((len(recordings), window_samples), np.float32)
    lengths = np.ones(len(recordings), np.int64)
    for row, path in enumerate(recordings):
        samples = first_channel(path, rate, window_samples / rate)
        windows[row, : len(samples)] = samples
        lengths[row] = max(1, len(samples))
    return windows, lengths


@contextmanager
def _folder(model: str) -> Iterator[Path]:
    """Yields the model's folder; for a known size, a temporary one with random weights."""
    writers: dict[str, Callable[[str, Path], Path]] = {
        **dict.fromkeys(SIZES, write_random),
        **dict.fromkeys(PUBLISHED, write_published),
        **dict.fromkeys(FAMILIES, write_family),
    }
    if os.path.exists(model) or model not in writers:
        yield find_model(model)
        return
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        yield writers[model](model, Path(made) / model)


def _noise(windows: int, samples: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(0)
    return (0.1 * generator.standard_normal((windows, samples))).astype(np.float32)


def _clock(options: ModelOptions) -> Callable[[], float]:
    return time.process_time if options.cpu_time else time.perf_counter


def _call(one: Contestant, windows: NDArray[np.float32]) -> Callable[[], object]:
    """Returns a call that scores windows which were not scored before.

    What windows have in common may be computed only once, and windows that are repeated have all
    in common.
    """

    def call() -> object:
        windows[:, ::_CHANGED_EVERY] = next(_NUMBERS) * 1e-8
        return one.score(windows)

    return call


def _peaks(precisions: set[str], device: torch.device, options: ModelOptions) -> dict[str, float]:
    """Measures the best rate of a large matrix product, operations per second, by precision."""
    calls = {
        (precision, operations): call
        for precision in sorted(precisions)
        for operations, call in peak.products(precision, device).items()
    }
    with torch.inference_mode():
        times = measure_in_turns(
            calls, min(2, options.rounds), options.least_seconds / 4, _clock(options)
        )
    peaks: dict[str, float] = {}
    for (precision, operations), seconds in times.items():
        peaks[precision] = max(peaks.get(precision, 0.0), round(operations / min(seconds)))
    return peaks
