"""Finds the engine and precision in which a network runs fastest on this CPU, by measuring them."""

import copy
import logging
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector.agreement import Comparison, target_of
from dfd.detector.engines import OPENVINO, TORCHSCRIPT, compile_network
from dfd.detector.engines.target import FP32, Compiled
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.hardware import free_memory

# what is used already is replaced only by what is faster by this
_LEAST_GAIN = 1.03
_ROUNDS = 3
# what is slower by this in the first round gets no other
_HOPELESS = 0.8
# nothing more is loaded after this
_SECONDS = 60.0
# a copy of the network, its compiled form, and what compiling takes meanwhile
_COPIES = 4
_WARM_RUNS = 3

_LOGGER = logging.getLogger("dfd.detector")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine and a precision that it supports."""

    engine: str
    precision: str

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


@dataclass(slots=True)
class Outcome:
    """What was found.

    Attributes:
        taken: the fastest.
        compiled: the network, compiled so.
        batch: number of windows of the batch by which the figures were measured.
        windows_per_second: by candidate, in the order in which they were tried.
        seconds: how long it took.
    """

    taken: Candidate
    compiled: Compiled
    batch: int
    windows_per_second: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def compile_fastest(
    checkpoint: Checkpoint,
    candidates: Sequence[Candidate],
    comparison: Comparison,
    *,
    batches: Sequence[int],
    threads: int | None = None,
    keep: bool = False,
    seconds: float = _SECONDS,
) -> Outcome:
    """Compiles a network in several ways, one after another, and keeps the fastest.

    Each is measured in turns with the fastest so far, and takes its place only if it is faster by
    three hundredths and scores as float32 does. Only these two are in memory. What cannot be
    compiled is left out, as is what there is no time or memory for.

    Args:
        checkpoint: the model; its network is copied, not converted.
        candidates: what to try, in order; the first is what others have to beat.
        comparison: compares with the network in float32.
        batches: batch sizes to measure.
        threads: number of threads, for an engine that has its own.
        keep: whether the precision was requested: if the first differs more, only warn.
        seconds: time after which no further one is loaded.

    Raises:
        UserError: if the precision was requested and gives no finite score.
    """
    began = time.monotonic()
    device = torch.device("cpu")
    size = sum(value.nbytes for value in checkpoint.network.parameters())

    def make(candidate: Candidate) -> _Runner:
        target = target_of(checkpoint, device, candidate.precision, threads=threads)
        compiled = compile_network(copy.deepcopy(checkpoint.network), target, candidate.engine)
        return _Runner(candidate, compiled, checkpoint, batches)

    best: _Runner | None = None
    rates: dict[str, float] = {}
    for candidate in candidates:
        late = time.monotonic() - began > seconds
        free = free_memory()
        tight = free is not None and free < _COPIES * size
        if best is not None and (late or tight):
            _LOGGER.info("%s was not measured: too little %s", candidate, _lack(late))
            continue
        try:
            runner = make(candidate)
            runner.warm()
        except Exception as error:
            if candidate.engine == TORCHSCRIPT:
                raise
            # an engine says in its own ways what it does not support
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            _LOGGER.warning("%s cannot run this model: %s", candidate, first)
            continue
        if best is None:
            if candidate.precision != FP32:
                comparison.accepts(runner.compiled, str(candidate), keep=keep)
            best = runner
            continue
        gain = _gain(best, runner)
        rates[str(best.candidate)] = best.rate
        rates[str(candidate)] = runner.rate
        if gain >= _LEAST_GAIN and comparison.accepts(runner.compiled, str(candidate)):
            best = runner
    assert best is not None, "TorchScript runs every network"
    # OpenVINO sets this in the threads that call it
    torch.set_flush_denormal(best.candidate.engine == OPENVINO)
    took = time.monotonic() - began
    return Outcome(best.candidate, best.compiled, max(batches), rates, took)


def _lack(late: bool) -> str:
    return "time" if late else "memory"


class _Runner:
    """Runs one way to compute a network on live windows, and keeps the times.

    Windows advance by a hop, each row as a stream of its own: a network that computes what
    windows have in common only once benefits, as it does when it serves.
    """

    def __init__(
        self,
        candidate: Candidate,
        compiled: Compiled,
        checkpoint: Checkpoint,
        batches: Sequence[int],
    ) -> None:
        self.candidate, self.compiled = candidate, compiled
        self._batches = sorted(set(batches))
        self._hop = checkpoint.card.hop_samples
        self._noise = np.random.default_rng(0)
        shape = (self._batches[-1], checkpoint.card.window_samples)
        self._windows = self._noise.normal(0.0, 0.05, shape).astype(np.float32)
        self._seconds: list[float] = []

    def warm(self) -> None:
        """Runs until TorchScript has optimised the network and every batch had its first run."""
        for _ in range(_WARM_RUNS - 1):
            self._time(self._batches[0])
        for batch in self._batches:
            self._time(batch)

    def round(self) -> dict[int, float]:
        """Returns the seconds of one pass by batch size."""
        found = {batch: self._time(batch) for batch in self._batches}
        self._seconds.append(found[self._batches[-1]])
        return found

    @property
    def rate(self) -> float:
        """Windows per second with the largest batch, the median so far."""
        return round(self._batches[-1] / statistics.median(self._seconds), 3)

    def _time(self, batch: int) -> float:
        windows = torch.from_numpy(self._advance()[:batch].copy())
        with torch.inference_mode():
            began = time.perf_counter()
            self.compiled(windows, None)
            return time.perf_counter() - began

    def _advance(self) -> NDArray[np.float32]:
        hop = min(self._hop, self._windows.shape[1])
        new = self._noise.normal(0.0, 0.05, (len(self._windows), hop)).astype(np.float32)
        self._windows = np.concatenate([self._windows[:, hop:], new], axis=1)
        return self._windows


def _gain(best: _Runner, other: _Runner) -> float:
    """Returns how many times as fast the other is: median over rounds, mean over batch sizes."""
    gains: list[float] = []
    for _ in range(_ROUNDS):
        one, two = best.round(), other.round()
        gains.append(math.exp(statistics.fmean(math.log(one[size] / two[size]) for size in one)))
        if gains[0] < _HOPELESS:
            break
    return statistics.median(gains)
