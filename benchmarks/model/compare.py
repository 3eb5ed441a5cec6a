"""`dfd bench model`: the classifier alone, by batch size, against its peers."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from dfd.benchmarks.model import peak
from dfd.benchmarks.model.networks import SIZES, write_random
from dfd.benchmarks.model.peers import Contestant, PeerMissingError, make_peer
from dfd.benchmarks.recordings import first_channel
from dfd.benchmarks.report import machine
from dfd.benchmarks.report.spread import Spread, measure_in_turns
from dfd.detector import Detector, load_detector
from dfd.detector.devices import resolve_device
from dfd.detector.files.read import find_model, read_checkpoint
from dfd.detector.precision import FP32, fast_precisions, has_int8
from dfd.detector.signals import probe_signals
from dfd.errors import UserError

Report = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What is measured.

    Attributes:
        model: as `load_detector` takes it, or one of `networks.SIZES` for random weights.
        precisions: of dfd's own; empty takes those that gain here.
        engines: dfd's own; the peers are separate.
        peers: names from `peers.PEERS`.
        batches: batch sizes; empty takes those that the daemon prepares for the model.
        most_batches: of the batch sizes only so many, the smallest.
        threads: on the CPU; None leaves torch's choice.
        rounds: measurements of each, taken in turns.
        least_seconds: of one measurement.
        cpu_time: measure CPU time, which other work on the machine disturbs less; with one
            thread it is what the wall would show on an idle machine.
        recordings: on which precisions are compared with fp32; empty takes made-up signals.
    """

    model: str = "bundled"
    device: str = "auto"
    precisions: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("torchscript",)
    peers: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    most_batches: int | None = None
    threads: int | None = None
    rounds: int = 5
    least_seconds: float = 0.2
    cpu_time: bool = False
    recordings: tuple[Path, ...] = ()


def run(options: ModelOptions, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Measures and returns the report.

    Args:
        options: what.
        tell: told what is being done.

    Raises:
        UserError: there is no such model or device.
    """
    device = resolve_device(options.device)
    precisions = options.precisions or (
        "fp32",
        *fast_precisions(device),
        *(["int8"] if has_int8(device) else []),
    )
    with _folder(options.model) as folder:
        detectors: dict[tuple[str, str], Detector] = {}
        missing: dict[str, str] = {}
        for engine in options.engines:
            for precision in precisions:
                tell(f"loading {engine} {precision}")
                try:
                    detectors[engine, precision] = load_detector(
                        str(folder),
                        device=str(device),
                        precision=precision,
                        engine=engine,
                        threads=options.threads,
                        batch_buckets=options.batches or None,
                        warm=False,
                    )
                except UserError as reason:
                    # nobody asked for more than what this model and engine can do
                    if precision in options.precisions or precision == FP32:
                        raise
                    missing[f"{engine} {precision}"] = str(reason)
        contestants = [
            Contestant(engine, precision, _scorer(detector))
            for (engine, precision), detector in detectors.items()
        ]
        for name in options.peers:
            tell(f"loading {name}")
            try:
                contestants += make_peer(name, folder, device, options.threads)
            except PeerMissingError as reason:
                missing[name] = str(reason)
            except (RuntimeError, ValueError, OSError) as error:
                missing[name] = f"failed: {str(error).splitlines()[0]}"
        spec = next(iter(detectors.values())).spec
        batches = spec.batch_buckets[: options.most_batches]
        operations = count_operations(folder)
        tell("comparing precisions")
        differences = compare(detectors, options.recordings)
        tell("measuring")
        times, broken = _measure(contestants, spec.window_samples, batches, options)
        peaks = _peaks({one.precision for one in contestants}, device, options)
    missing |= broken
    results = []
    for one in contestants:
        for batch in batches:
            seconds = times.get((one.engine, one.precision, batch))
            if seconds is None:
                continue
            rate = Spread.of(seconds).inverse(batch)
            reached = rate.median * operations
            top = peaks.get(one.precision)
            results.append(
                {
                    "engine": one.engine,
                    "precision": one.precision,
                    "batch": batch,
                    "windows_per_second": round(rate.median, 3),
                    "windows_per_second_low": round(rate.low, 3),
                    "windows_per_second_high": round(rate.high, 3),
                    "ms_per_window": round(1000.0 / rate.median, 3),
                    "flops": round(reached),
                    "of_peak": None if top is None else round(reached / top, 3),
                }
            )
    return {
        "benchmark": "model",
        "machine": machine.describe(),
        "model": options.model,
        "device": str(device),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "rounds": options.rounds,
        "clock": "cpu" if options.cpu_time else "wall",
        "window_seconds": spec.window_samples / spec.sample_rate_hz,
        "operations_per_window": operations,
        "peak_flops": peaks,
        "largest_difference_in_probability": differences,
        "compared_on": len(options.recordings) or "made-up signals",
        "missing": missing,
        "results": results,
        "best": _best(results),
    }


def count_operations(folder: Path) -> int:
    """Additions and multiplications of one window's matrix products and convolutions."""
    checkpoint = read_checkpoint(str(folder))
    window = torch.zeros(1, checkpoint.card.window_samples)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        checkpoint.network(window, None)
    return int(counter.get_total_flops())


def compare(
    detectors: dict[tuple[str, str], Detector], recordings: tuple[Path, ...]
) -> dict[str, float]:
    """Largest difference in P(spoof) from the first engine's fp32, by engine and precision."""
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
    """The first window of each recording, first channel."""
    windows = np.zeros((len(recordings), window_samples), np.float32)
    lengths = np.ones(len(recordings), np.int64)
    for row, path in enumerate(recordings):
        samples = first_channel(path, rate, window_samples / rate)
        windows[row, : len(samples)] = samples
        lengths[row] = max(1, len(samples))
    return windows, lengths


@contextmanager
def _folder(model: str) -> Iterator[Path]:
    """The model's folder, made for the time being where it is a known size."""
    if model not in SIZES or os.path.exists(model):
        yield find_model(model)
        return
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        yield write_random(model, Path(made) / model)


def _scorer(detector: Detector) -> Callable[[NDArray[np.float32]], object]:
    size = detector.spec.window_samples

    def score(windows: NDArray[np.float32]) -> object:
        return detector.score(windows, np.full(len(windows), size, np.int64))

    return score


def _measure(
    contestants: list[Contestant],
    window_samples: int,
    batches: tuple[int, ...],
    options: ModelOptions,
) -> tuple[dict[tuple[str, str, int], list[float]], dict[str, str]]:
    """Seconds a batch by engine, precision and batch; and whoever failed at a first call."""
    generator = np.random.default_rng(0)
    largest = 0.1 * generator.standard_normal((max(batches), window_samples))
    noise = largest.astype(np.float32)
    calls: dict[tuple[str, str, int], Callable[[], object]] = {}
    broken: dict[str, str] = {}
    for one in contestants:
        for batch in batches:
            call = _call(one, noise[:batch])
            try:
                call()
            except Exception as error:  # a peer's failure is its own, of whatever kind
                broken[f"{one.engine} {one.precision}"] = f"failed: {str(error).splitlines()[0]}"
                break
            calls[one.engine, one.precision, batch] = call
    return measure_in_turns(calls, options.rounds, options.least_seconds, _clock(options)), broken


def _clock(options: ModelOptions) -> Callable[[], float]:
    return time.process_time if options.cpu_time else time.perf_counter


def _call(one: Contestant, windows: NDArray[np.float32]) -> Callable[[], object]:
    return lambda: one.score(windows)


def _peaks(precisions: set[str], device: torch.device, options: ModelOptions) -> dict[str, float]:
    """The best rate of a large matrix product, operations a second, by precision."""
    calls = {
        (precision, operations): call
        for precision in sorted(precisions)
        for operations, call in peak.products(precision, device).items()
    }
    with torch.inference_mode():
        times = measure_in_turns(calls, options.rounds, options.least_seconds / 4, _clock(options))
    peaks: dict[str, float] = {}
    for (precision, operations), seconds in times.items():
        peaks[precision] = max(peaks.get(precision, 0.0), round(operations / min(seconds)))
    return peaks


def _best(results: list[Report]) -> dict[str, float]:
    """The most windows a second of each engine and precision, whatever the batch."""
    best: dict[str, float] = {}
    for result in results:
        name = f"{result['engine']} {result['precision']}"
        best[name] = max(best.get(name, 0.0), result["windows_per_second"])
    return best
