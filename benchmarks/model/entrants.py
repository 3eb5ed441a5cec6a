"""What `dfd bench model` compares: dfd's own ways to run a model, and its peers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.benchmarks.model.peers import Contestant, PeerMissingError, make_peer
from dfd.detector import Detector, load_detector
from dfd.detector.precision import AUTO, FP32, fast_precisions, has_int8
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What is measured.

    Attributes:
        model: as `load_detector` takes it, or one of `networks.SIZES` for random weights.
        precisions: precisions of dfd's own engines; empty means those that are faster here.
            "auto" is what `dfd serve` would take.
        engines: dfd's own engines; the peers are separate. "auto" is the fastest of the installed
            ones, as `dfd serve` finds it.
        peers: names from `peers.PEERS`.
        batches: batch sizes; empty means those that the daemon prepares for the model.
        most_batches: how many of the batch sizes to use at most, the smallest first.
        threads: number of CPU threads; None leaves torch's choice.
        seconds: time after which no round is started, and after a share of it no peer is loaded.
        rounds: number of measurements of each, taken in turns.
        least_seconds: duration of one measurement.
        cpu_time: whether to measure CPU time, which other work on the machine disturbs less; with
            one thread it equals the wall-clock time on an idle machine.
        recordings: recordings to compare precisions with fp32 on; empty means synthetic signals.
    """

    model: str = "bundled"
    device: str = "auto"
    precisions: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("torchscript",)
    peers: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    most_batches: int | None = None
    threads: int | None = None
    seconds: float = 150.0
    rounds: int = 5
    least_seconds: float = 0.2
    cpu_time: bool = False
    recordings: tuple[Path, ...] = ()


class Entrants:
    """Loads everything that is compared, one after another.

    Attributes:
        detectors: dfd's own, by engine and precision.
        missing: what could not be loaded, and why.
        load_seconds: loading time of the others.
    """

    def __init__(
        self,
        options: ModelOptions,
        folder: Path,
        device: torch.device,
        tell: Callable[[str], None],
    ) -> None:
        self.detectors: dict[tuple[str, str], Detector] = {}
        self.missing: dict[str, str] = {}
        self.load_seconds: dict[str, float] = {}
        self._options = options
        self._folder = folder
        self._device = device
        self._tell = tell

    @property
    def spec(self) -> ModelSpec:
        """The properties of the model."""
        return next(iter(self.detectors.values())).spec

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that may be measured, but for "auto"."""
        named = tuple(name for name in self._options.precisions if name != AUTO)
        if named and len(named) == len(self._options.precisions):
            return named
        faster = (
            FP32,
            *fast_precisions(self._device),
            *(["int8"] if has_int8(self._device) else []),
        )
        return tuple(dict.fromkeys((*named, *faster)))

    def own(self, late: Callable[[], bool]) -> Iterator[Contestant]:
        """Loads dfd's own, each when its turn comes.

        Args:
            late: returns whether it is too late to load another.

        Raises:
            UserError: if there is no such model or device, or it lacks what was asked for.
        """
        options = self._options
        for engine in options.engines:
            for precision in options.precisions or self.precisions:
                name = f"{engine} {precision}"
                if self.detectors and late():
                    self._leave_out(name)
                    continue
                self._tell(f"loading {name}")
                began = time.monotonic()
                try:
                    detector = load_detector(
                        str(self._folder),
                        device=str(self._device),
                        precision=precision,
                        engine=engine,
                        threads=options.threads,
                        batch_buckets=options.batches or None,
                        warm=False,
                    )
                except UserError as reason:
                    # by default, precisions that this model or engine lacks are left out
                    if precision in options.precisions or precision == FP32:
                        raise
                    self.missing[name] = str(reason)
                else:
                    spec = detector.spec
                    if AUTO in (engine, precision):
                        self._tell(f"{name} is {spec.engine} {spec.precision}")
                    self.detectors[engine, spec.precision] = detector
                    self.load_seconds[name] = round(time.monotonic() - began, 1)
                    yield Contestant(engine, spec.precision, _scorer(detector))

    def _leave_out(self, name: str) -> None:
        self.missing[name] = "no time was left: add --seconds, or leave others out"
        self._tell(f"{name}: left out, {self.missing[name]}")

    def peers(self, late: Callable[[], bool]) -> Iterator[Contestant]:
        """Loads the peers, each when its turn comes.

        Args:
            late: returns whether it is too late to load another.
        """
        for name in self._options.peers:
            if late():
                self._leave_out(name)
                continue
            self._tell(f"loading {name}; --peer leaves it out")
            began = time.monotonic()
            try:
                made = make_peer(name, self._folder, self._device, self._options.threads)
            except PeerMissingError as reason:
                self.missing[name] = str(reason)
            except (RuntimeError, ValueError, OSError) as error:
                self.missing[name] = f"failed: {str(error).splitlines()[0]}"
            else:
                self.load_seconds[name] = round(time.monotonic() - began, 1)
                yield from made


def _scorer(detector: Detector) -> Callable[[NDArray[np.float32]], object]:
    size = detector.spec.window_samples

    def score(windows: NDArray[np.float32]) -> object:
        return detector.score(windows, np.full(len(windows), size, np.int64))

    return score
