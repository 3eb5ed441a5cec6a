"""Compiles networks: one function, and the engines behind it."""

import importlib.util
from collections.abc import Callable

import torch

from dfd.detector.engines.target import FP32, INT8, Compiled
from dfd.detector.engines.target import Target as Target
from dfd.detector.networks.network import Network
from dfd.errors import UserError

AUTO = "auto"
# as `auto` found before; unlike it, this never measures
KNOWN = "known"
TORCHSCRIPT = "torchscript"
OPENVINO = "openvino"
ONNX = "onnx"
ENGINES = (TORCHSCRIPT, OPENVINO, ONNX)
# engine -> modules it needs, each with the extra that installs it
_NEEDS = {TORCHSCRIPT: (), OPENVINO: ("openvino",), ONNX: ("onnx", "onnxruntime")}
# engine -> precisions it supports
_RUNS = {
    TORCHSCRIPT: (FP32, "bf16", "fp16", INT8),
    OPENVINO: (FP32, "bf16"),
    ONNX: (FP32,),
}


def is_installed(engine: str) -> bool:
    """Returns whether the packages of an engine are installed."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDS[engine])


def needs(engine: str) -> tuple[str, ...]:
    """Returns the packages of an engine, besides torch."""
    return _NEEDS[engine]


def runs(engine: str, precision: str) -> bool:
    """Returns whether an engine supports a precision."""
    return precision in _RUNS[engine]


def choose(requested: str, device: torch.device) -> str:
    """Returns the engine to use, unless `engine_choice` knows a faster one than TorchScript.

    TorchScript runs every network in every precision on every device, and needs no additional
    package: `auto` and `known` start from it.

    Raises:
        UserError: if there is no such engine, it is not installed, or not for the device.
    """
    if requested in (AUTO, KNOWN):
        return TORCHSCRIPT
    if requested not in ENGINES:
        raise UserError(f'"{requested}" is not an engine: use {AUTO}, {", ".join(ENGINES)}')
    if not is_installed(requested):
        raise UserError(
            f"engine {requested} is not installed: pip install 'dfd[{requested}]', or use "
            f"--engine {TORCHSCRIPT}"
        )
    if requested != TORCHSCRIPT and device.type != "cpu":
        raise UserError(
            f"engine {requested} runs on the CPU only: use --engine {TORCHSCRIPT} on {device}"
        )
    return requested


def compile_network(network: Network, target: Target, engine: str = TORCHSCRIPT) -> Compiled:
    """Compiles a network; the network itself is moved and converted.

    Args:
        network: the network, on the CPU and in float32.
        target: what to compile for.
        engine: a result of `choose`.

    Raises:
        UserError: if the engine does not compute in the precision.
    """
    if not runs(engine, target.precision):
        raise UserError(
            f"engine {engine} does not compute in {target.precision}: use --precision "
            f"{' or '.join(_RUNS[engine])}, or --engine {TORCHSCRIPT}"
        )
    return _compiler(engine)(network, target)


def _compiler(engine: str) -> Callable[[Network, Target], Compiled]:
    if engine == OPENVINO:
        from dfd.detector.engines import openvino

        return openvino.compile_network
    if engine == ONNX:
        from dfd.detector.engines import onnx

        return onnx.compile_network
    from dfd.detector.engines import torchscript

    return torchscript.compile_network
