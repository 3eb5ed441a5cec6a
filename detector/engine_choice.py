"""Which engine and precision `auto` takes on a CPU: measured once, and remembered."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from dfd import __version__
from dfd.detector.agreement import Comparison
from dfd.detector.engines import ENGINES, TORCHSCRIPT, is_installed, needs, runs
from dfd.detector.engines.target import FP32, Compiled
from dfd.detector.fastest import Candidate, Outcome, compile_fastest
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.hardware import cpu_identity
from dfd.detector.networks.hops import HopScoringNetwork
from dfd.detector.speeds import remember_speed
from dfd.detector.start_cache import recall, remember

_TOPIC = "fastest engine"

_LOGGER = logging.getLogger("dfd.detector")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        compiled: the network, if it was measured and therefore is compiled.
    """

    engine: str
    precision: str
    compiled: Compiled | None = None


def choose_fastest(
    checkpoint: Checkpoint,
    device: torch.device,
    wanted: tuple[str, ...],
    *,
    buckets: tuple[int, ...],
    threads: int | None,
    tolerance: float,
    measure: bool,
    keep: bool,
) -> Choice | None:
    """Chooses among the installed engines, and among precisions.

    There is nothing to choose on a GPU, in int8, which only TorchScript runs, and for networks
    that process windows by hops, like the bundled model: only TorchScript computes their hops once
    for all windows, and it was by far the fastest (docs/performance.md).

    Args:
        checkpoint: the model.
        device: the device to run on.
        wanted: precisions that may be used.
        buckets: batch sizes that will be used.
        threads: number of threads, for an engine that has its own.
        tolerance: largest accepted difference in probability from float32.
        measure: whether to measure if nothing is remembered, which may take a minute.
        keep: whether the precision was requested.

    Returns:
        The choice; None if there is none, or nothing is remembered and `measure` is false.

    Raises:
        UserError: if the precision was requested and gives no finite score.
    """
    if device.type != "cpu" or isinstance(checkpoint.network, HopScoringNetwork):
        return None
    installed = [engine for engine in ENGINES if is_installed(engine)]
    # float32 first: nothing has to be compared for it
    ordered = sorted(wanted, key=lambda precision: precision != FP32)
    candidates = [
        Candidate(engine, precision)
        for engine in installed
        for precision in ordered
        if runs(engine, precision)
    ]
    if len(candidates) < 2:
        return None
    conditions = _conditions(checkpoint, candidates, buckets, tolerance)
    found = recall(_TOPIC, conditions)
    for candidate in candidates:
        if isinstance(found, dict) and found.get("taken") == str(candidate):
            _LOGGER.info(
                "engine %s: the fastest here when it was measured on %s (windows per second: %s)",
                candidate,
                found.get("day"),
                _figures(found.get("windows_per_second")),
            )
            return Choice(candidate.engine, candidate.precision)
    if not measure:
        return None
    _LOGGER.info("measuring which engine is the fastest here: %s", ", ".join(map(str, candidates)))
    comparison = Comparison(checkpoint, device, tolerance)
    batches = (buckets[0], buckets[-1])
    outcome = compile_fastest(
        checkpoint, candidates, comparison, batches=batches, threads=threads, keep=keep
    )
    _keep(checkpoint, conditions, outcome)
    return Choice(outcome.taken.engine, outcome.taken.precision, outcome.compiled)


def _keep(checkpoint: Checkpoint, conditions: dict[str, Any], outcome: Outcome) -> None:
    taken, rates = outcome.taken, outcome.windows_per_second
    _LOGGER.info(
        "engine %s: the fastest here, measured in %.0f s (windows per second in batches of %d: %s)",
        taken,
        outcome.seconds,
        outcome.batch,
        _figures(rates),
    )
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    found = {"taken": str(taken), "day": day, "batch": outcome.batch, "windows_per_second": rates}
    remember(_TOPIC, conditions, found)
    if str(taken) in rates:
        remember_speed(
            checkpoint.weights_sha256,
            rates[str(taken)],
            batch=outcome.batch,
            engine=taken.engine,
            precision=taken.precision,
        )


def _figures(rates: Any) -> str:
    if not isinstance(rates, dict):
        return "unknown"
    return ", ".join(f"{name} {rate}" for name, rate in rates.items()) or "nothing else ran"


def _conditions(
    checkpoint: Checkpoint,
    candidates: list[Candidate],
    buckets: tuple[int, ...],
    tolerance: float,
) -> dict[str, Any]:
    """Returns everything on which the outcome depends."""
    packages = {name for one in candidates for name in needs(one.engine)}
    return {
        "weights": checkpoint.weights_sha256,
        "window_samples": checkpoint.card.window_samples,
        "hop_samples": checkpoint.card.hop_samples,
        "normalize": checkpoint.card.normalize,
        "candidates": [str(one) for one in candidates],
        "batches": [buckets[0], buckets[-1]],
        "tolerance": tolerance,
        "cpu": cpu_identity(),
        "threads": torch.get_num_threads(),
        "versions": {
            "dfd": __version__,
            TORCHSCRIPT: torch.__version__,
            **{name: metadata.version(name) for name in sorted(packages)},
        },
    }
