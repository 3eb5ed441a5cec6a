"""From a network to something fast. Other engines stand beside TorchScript here."""

import warnings
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dfd.detector.errors import DetectorError
from dfd.detector.network import ScoringNetwork

TORCHSCRIPT = "torchscript"


class Compiled(Protocol):
    """A network as an engine runs it; the arguments are those of `ScoringNetwork.forward`.

    The tensors are on the engine's device.
    """

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Gives spoof log-odds, float32 (B,)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a network is compiled for."""

    device: torch.device
    dtype: torch.dtype


def compile_network(network: ScoringNetwork, target: Target, engine: str = TORCHSCRIPT) -> Compiled:
    """Compiles a network; the network itself is moved and converted.

    Raises:
        DetectorError: there is no such engine.
    """
    if engine != TORCHSCRIPT:
        raise DetectorError(f'"{engine}" is no engine: use {TORCHSCRIPT}')
    return _torchscript(place(network, target))


def place(network: ScoringNetwork, target: Target) -> ScoringNetwork:
    """Moves a network to the device; its backbone, not its head, to the precision."""
    network.to(target.device)
    for part in (network.feature_extractor, network.feature_projection, network.transformer):
        part.to(target.dtype)
    return network


def _torchscript(network: ScoringNetwork) -> Compiled:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is", DeprecationWarning)
        scripted = torch.jit.script(network)
        frozen: Compiled = torch.jit.freeze(scripted)
    return frozen
