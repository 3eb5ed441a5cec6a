"""Compiles a model with the engine and in the precision that were asked for or are best here."""

from dataclasses import dataclass
from typing import Any

import torch

from dfd import __version__
from dfd.detector import engines
from dfd.detector.agreement import compile_first_good
from dfd.detector.devices import hardware
from dfd.detector.engine_choice import choose_fastest
from dfd.detector.engines.target import INT8, Compiled
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.start_cache import recall, remember

_REFUSED = "precisions refused"


@dataclass(frozen=True, slots=True)
class Result:
    """A compiled network, and how it was compiled."""

    engine: str
    precision: str
    compiled: Compiled


def compile_model(
    checkpoint: Checkpoint,
    device: torch.device,
    wanted: tuple[str, ...],
    engine: str,
    *,
    buckets: tuple[int, ...],
    threads: int | None,
    tolerance: float,
    keep: bool,
    measured: bool,
) -> Result:
    """Compiles a model.

    Args:
        checkpoint: the model; its network may be converted.
        device: the device to run on.
        wanted: precisions in order of preference, "fp32" last if there are several.
        engine: the engine that was asked for; it is installed.
        buckets: batch sizes that will be used.
        threads: number of threads, for an engine that has its own.
        tolerance: largest accepted difference in probability from float32.
        keep: whether the one precision was requested: if it differs more, only warn.
        measured: whether int8 was compared by the model's maker, and need not be here.

    Raises:
        UserError: if the one precision gives no finite score.
    """
    runner = engines.choose(engine, device)
    measured = measured and wanted == (INT8,)
    if engine in (engines.AUTO, engines.KNOWN):
        choice = choose_fastest(
            checkpoint,
            device,
            wanted,
            buckets=buckets,
            threads=threads,
            tolerance=tolerance,
            measure=engine == engines.AUTO,
            keep=keep,
        )
        if choice is not None and choice.compiled is not None:
            return Result(choice.engine, choice.precision, choice.compiled)
        if choice is not None:
            # it was compared with float32 when it was measured
            runner, wanted, measured = choice.engine, (choice.precision,), True
    conditions = _conditions(checkpoint, device, runner, tolerance)
    refused: list[str] = []
    if not keep:
        refused = recall(_REFUSED, conditions) or []
        wanted = tuple(name for name in wanted if name not in refused)
    chosen, compiled = compile_first_good(
        checkpoint,
        device,
        wanted,
        runner,
        tolerance=tolerance,
        keep=keep,
        measured=measured,
        threads=threads,
    )
    if chosen != wanted[0]:
        remember(_REFUSED, conditions, [*refused, *wanted[: wanted.index(chosen)]])
    return Result(runner, chosen, compiled)


def _conditions(
    checkpoint: Checkpoint, device: torch.device, engine: str, tolerance: float
) -> dict[str, Any]:
    """Returns everything on which the agreement of a precision with fp32 depends."""
    return {
        "weights": checkpoint.weights_sha256,
        "window_samples": checkpoint.card.window_samples,
        "normalize": checkpoint.card.normalize,
        "engine": engine,
        "tolerance": tolerance,
        "device": hardware(device),
        "versions": [__version__, torch.__version__],
    }
