"""TorchScript, on the CPU and on GPUs: the default engine."""

import warnings

import torch

from dfd.detector.engines import INT8, Compiled, Target
from dfd.detector.engines.cuda_graphs import CudaGraphs
from dfd.detector.frames import lay_out
from dfd.detector.int8 import quantize
from dfd.detector.network import ScoringNetwork
from dfd.detector.precision import DTYPES


def compile_network(network: ScoringNetwork, target: Target) -> Compiled:
    """Lays a network out, brings it to the precision and freezes it."""
    lay_out(network)
    if target.precision == INT8:
        quantize(network, target.samples, extractor=target.whole_int8)
    else:
        place(network, target.device, DTYPES[target.precision])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is", DeprecationWarning)
        scripted = torch.jit.script(network)
        frozen: Compiled = torch.jit.freeze(scripted)
    return CudaGraphs(frozen) if target.device.type == "cuda" else frozen


def place(network: ScoringNetwork, device: torch.device, dtype: torch.dtype) -> None:
    """Moves a network to the device; its backbone, not its head, to the number format."""
    network.to(device)
    for part in (network.feature_extractor, network.feature_projection, network.transformer):
        part.to(dtype)
