"""TorchScript, on the CPU and on GPUs: the default engine."""

import warnings
from typing import Any

import torch

from dfd.detector.engines.cuda_graphs import CudaGraphs
from dfd.detector.engines.target import INT8, Compiled, Target
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.hops import HopScoringNetwork
from dfd.detector.networks.int8 import quantize
from dfd.detector.networks.log_mel import FourierLogMel
from dfd.detector.networks.network import Network
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.networks.sharing import SharedFrames, SharedHops, shared_frames
from dfd.detector.networks.whisper_stem import StemScoringNetwork
from dfd.detector.networks.windows import put_channels_last
from dfd.detector.precision import DTYPES


def compile_network(network: Network, target: Target) -> Compiled:
    """Changes a network's layout, converts it to the precision and freezes it."""
    frames, stride = 0, 1
    on_cpu = target.device.type == "cpu"
    if isinstance(network, ScoringNetwork):
        lay_out(network)
        if on_cpu and isinstance(network, StemScoringNetwork):
            network.stem.log_mel = FourierLogMel()
        if target.precision == INT8:
            quantize(network, target.samples, extractor=target.whole_int8)
        else:
            place(network, target.device, DTYPES[target.precision])
        frames = shared_frames(network, target.window_samples, target.hop_samples)
        stride = network.feature_extractor.stride
    else:
        network.to(target.device)
        if on_cpu:
            put_channels_last(network)
    shares = frames > 0 and on_cpu
    by_hops = network.hop_samples if isinstance(network, HopScoringNetwork) else 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is", DeprecationWarning)
        scripted = torch.jit.script(network)
        kept = ["features", "judge"] if shares else None
        if by_hops and on_cpu:
            kept = ["measure", "join"]
        frozen: Any = torch.jit.freeze(scripted, preserved_attrs=kept)
    if shares:
        return SharedFrames(
            frozen,
            hop_samples=target.hop_samples,
            frames=frames,
            stride=stride,
        )
    if by_hops and on_cpu:
        return SharedHops(frozen, hop_samples=by_hops)
    return frozen if on_cpu else CudaGraphs(frozen)


def place(network: ScoringNetwork, device: torch.device, dtype: torch.dtype) -> None:
    """Moves a network to the device, and converts its backbone, but not its head, to the dtype."""
    network.to(device)
    for part in (network.feature_extractor, network.feature_projection, network.transformer):
        part.to(dtype)
