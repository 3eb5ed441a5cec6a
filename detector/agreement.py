"""Finds the first precision in which a compiled network scores as in float32."""

import copy
import logging

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector.engines import compile_network
from dfd.detector.engines.target import FP32, INT8, Compiled, Target
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.networks.network import Network
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.padding import padded
from dfd.detector.signals import probe_signals
from dfd.errors import UserError

_LOGGER = logging.getLogger("dfd.detector")
# int8 is calibrated on signals other than those on which it is compared.
_RANGES_DRAW = 1


def compile_first_good(
    checkpoint: Checkpoint,
    device: torch.device,
    wanted: tuple[str, ...],
    engine: str,
    *,
    tolerance: float,
    keep: bool,
    measured: bool = False,
    threads: int | None = None,
) -> tuple[str, Compiled]:
    """Compiles for the first precision that scores synthetic signals as float32 does.

    Args:
        checkpoint: the model; its network may be converted.
        device: the device to run on.
        wanted: precisions in order of preference, "fp32" last if there are several.
        engine: the engine that runs it.
        tolerance: largest accepted difference in probability.
        keep: whether the one precision was requested: if it differs more, only warn.
        measured: whether the first precision was compared before, by the model's maker or at an
            earlier load, and need not be now.
        threads: number of threads, for an engine that has its own.

    Returns:
        The precision, and the compiled network.

    Raises:
        UserError: if the one precision gives no finite score.
    """
    network = checkpoint.network
    if measured or wanted == (FP32,):
        target = target_of(checkpoint, device, wanted[0], threads=threads)
        return wanted[0], compile_network(network, target, engine)
    comparison = Comparison(checkpoint, device, tolerance)
    attempts = [(name, whole) for name in wanted for whole in _forms(name, network)]
    for name, whole in attempts:
        target = target_of(checkpoint, device, name, whole_int8=whole, threads=threads)
        compiled = compile_network(copy.deepcopy(network), target, engine)
        if name == FP32:
            return name, compiled
        said = name if whole else f"{name} in the transformer only"
        if name == INT8 and (name, whole) != attempts[-1]:
            if comparison.difference(compiled, said) <= tolerance:
                return name, compiled
            _LOGGER.info("int8 changes scores too much: the convolutions are left in fp32")
        elif comparison.accepts(compiled, said, keep=keep and (name, whole) == attempts[-1]):
            return name, compiled
    raise AssertionError("fp32 is always good")


class Comparison:
    """Compares compiled networks with the plain one in float32, on synthetic signals.

    Args:
        checkpoint: the model; its network is moved to the device and must not be converted.
        device: the device to run on.
        tolerance: largest accepted difference in probability.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device, tolerance: float) -> None:
        self._checkpoint, self._device = checkpoint, device
        self._tolerance = tolerance
        self._reference: NDArray[np.float64] | None = None

    def difference(self, compiled: Compiled, said: str) -> float:
        """Returns the largest difference in probability; NaN if a score is not finite.

        Args:
            compiled: the compiled network.
            said: what the log calls it.
        """
        if self._reference is None:
            self._checkpoint.network.to(self._device)
            plain = self._checkpoint.network
            self._reference = probabilities(plain, self._checkpoint, self._device)
        found = probabilities(compiled, self._checkpoint, self._device)
        difference = float(np.abs(found - self._reference).max())
        _LOGGER.info("%s: largest difference in probability from fp32 is %.4f", said, difference)
        return difference

    def accepts(self, compiled: Compiled, said: str, *, keep: bool = False) -> bool:
        """Returns whether it may be used, and logs the reason if it may not.

        Args:
            compiled: the compiled network.
            said: what the log calls it.
            keep: whether it was requested: if it differs more, only warn.

        Raises:
            UserError: if it was requested and gives no finite score.
        """
        difference = self.difference(compiled, said)
        if difference <= self._tolerance:
            return True
        if not keep:
            _LOGGER.warning(
                "%s differs from fp32 by up to %.4f in probability, more than %.4f: not used",
                said,
                difference,
                self._tolerance,
            )
            return False
        if not np.isfinite(difference):
            raise UserError(
                f"{said.split()[0]} gives no finite score with this model: "
                "use --precision auto or fp32"
            )
        _LOGGER.warning(
            "%s differs from fp32 by up to %.4f in probability; it was requested and is kept",
            said,
            difference,
        )
        return True


def _forms(precision: str, network: Network) -> tuple[bool, ...]:
    """Returns the forms to try: if int8 is too inaccurate, the convolutions stay in float32.

    A spectrogram in their place always does.
    """
    convolves = isinstance(network, ScoringNetwork) and network.short_extractor is None
    return (True, False) if precision == INT8 and convolves else (True,)


def target_of(
    checkpoint: Checkpoint,
    device: torch.device,
    precision: str,
    *,
    whole_int8: bool = True,
    threads: int | None = None,
) -> Target:
    """Returns what a model is compiled for.

    Args:
        checkpoint: the model.
        device: the device to run on.
        precision: the number format.
        whole_int8: whether int8 includes the convolutions.
        threads: number of threads, for an engine that has its own.
    """
    card = checkpoint.card
    samples, _ = probe_signals(card.window_samples, card.sample_rate_hz, _RANGES_DRAW)
    return Target(
        device=device,
        precision=precision,
        window_samples=card.window_samples,
        hop_samples=card.hop_samples,
        samples=samples,
        whole_int8=whole_int8,
        threads=threads,
    )


def probe(checkpoint: Checkpoint) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns synthetic windows, full-length and short ones, as the model's network gets them."""
    card = checkpoint.card
    windows, lengths = probe_signals(card.window_samples, card.sample_rate_hz)
    return padded(
        windows,
        lengths,
        card.padding,
        rows=len(windows),
        least_samples=checkpoint.least_samples,
    )


def probabilities(
    compiled: Compiled, checkpoint: Checkpoint, device: torch.device
) -> NDArray[np.float64]:
    """Returns P(spoof) of the synthetic signals, full-length ones apart from short ones."""
    card = checkpoint.card
    windows, lengths = probe(checkpoint)
    odds = np.empty(len(windows), np.float32)
    whole = lengths == card.window_samples
    with torch.inference_mode():
        for rows, counts in ((whole, None), (~whole, lengths[~whole])):
            if not rows.any():  # short ones are repeated to the full length for some models
                continue
            batch = torch.from_numpy(windows[rows]).to(device)
            valid = None if counts is None else torch.from_numpy(counts).to(device)
            odds[rows] = compiled(batch, valid).float().cpu().numpy()
    llrs = card.calibration.apply(odds).astype(np.float64)
    probabilities: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-llrs))
    return probabilities
