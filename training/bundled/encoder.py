"""Reads the first stages of Whisper tiny's encoder, which the bundled detector keeps frozen.

They come from an ONNX file of the encoder, such as Smart Turn's, in which 8-bit weights are stored
with their scales, or from the weights of a detector that has them already.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfd.detector.files.bundled import WEIGHTS, bundled_folder
from dfd.detector.files.tensors import read_safetensors
from dfd.detector.networks.whisper_stem import PREFIX, STRIDE, StemConfig, WhisperStem
from dfd.errors import UserError

# Whisper's own places are every second frame, and the stem takes every second place
_PLACES_APART = STRIDE // 2
_CLASSIFIER = ("hidden.", "classifier.")
# the stages are stored in half precision, and rounded before anything is measured with them
STORED = torch.float16


def read_stages(source: Path | None, config: StemConfig) -> dict[str, Tensor]:
    """Returns the tensors of a `WhisperStem` without its classifier.

    Args:
        source: an ONNX file, a safetensors file of a detector that has a stem, or None for the
            bundled detector's.
        config: the sizes.

    Raises:
        UserError: if the file does not have them.
    """
    path = source or bundled_folder() / WEIGHTS
    found = _from_onnx(path, config) if path.suffix == ".onnx" else _from_detector(path)
    wanted = {
        name: value.shape
        for name, value in WhisperStem(config).state_dict().items()
        if not name.startswith(_CLASSIFIER)
    }
    if {name: value.shape for name, value in found.items()} != wanted:
        raise UserError(
            f"{path} does not have the first stages of Whisper tiny's encoder: name Smart Turn's "
            "ONNX file, or the model.safetensors of a detector that has them"
        )
    return {name: value.to(STORED).float() for name, value in found.items()}


def _from_detector(path: Path) -> dict[str, Tensor]:
    return {
        name.removeprefix(PREFIX): value
        for name, value in read_safetensors(path).items()
        if name.startswith(PREFIX) and not name.removeprefix(PREFIX).startswith(_CLASSIFIER)
    }


def _from_onnx(path: Path, config: StemConfig) -> dict[str, Tensor]:
    """Returns the tensors, or what there is of them."""
    try:
        import onnx
    except ModuleNotFoundError:
        raise UserError("an encoder in ONNX needs onnx: pip install 'dfd[onnx]'") from None
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # its parser has no exceptions of its own
        raise UserError(f"{path} cannot be read as ONNX: {error}") from None
    weights = _Weights(graph)
    encoder = "inner.encoder."
    layer = f"{encoder}layers.0."
    linear: Callable[[str], Tensor] = weights.product
    try:
        convolutions = [weights.convolution(f"{encoder}conv{at}") for at in (1, 2)]
        attention = [linear(f"{layer}self_attn.{one}_proj") for one in "qv"]
        query, value = attention
        key = weights.product_without_bias((config.states, config.states))
        biases = {name: weights.plain(f"{layer}self_attn.{name}_proj.bias") for name in "qv"}
        found = {
            "conv1.weight": convolutions[0],
            "conv1.bias": weights.plain(f"{encoder}conv1.bias"),
            "conv2.weight": convolutions[1],
            "conv2.bias": weights.plain(f"{encoder}conv2.bias"),
            "positions": weights.plain(f"{encoder}embed_positions.weight")[::_PLACES_APART][
                : config.places
            ],
            "layer.inputs.weight": torch.cat([query, key, value]),
            "layer.inputs.bias": torch.cat([biases["q"], torch.zeros(len(key)), biases["v"]]),
            "layer.output.weight": linear(f"{layer}self_attn.out_proj"),
            "layer.output.bias": weights.plain(f"{layer}self_attn.out_proj.bias"),
        }
        for ours, theirs in (("wide", "fc1"), ("narrow", "fc2")):
            found[f"layer.{ours}.weight"] = linear(layer + theirs)
            found[f"layer.{ours}.bias"] = weights.plain(f"{layer}{theirs}.bias")
        for ours, theirs in (("norm", "self_attn_layer_norm"), ("last_norm", "final_layer_norm")):
            for part in ("weight", "bias"):
                found[f"layer.{ours}.{part}"] = weights.plain(f"{layer}{theirs}.{part}")
    except KeyError:
        return {}
    return {name: value.contiguous() for name, value in found.items()}


class _Weights:
    """The weights of an ONNX graph, by the names that PyTorch's exporter kept.

    Products have names of the exporter's own, but their biases have those of the modules.
    """

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self._plain = {name: value for name, value in held.items() if value.dtype == np.float32}
        self._users: dict[str, Any] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, node)
        self._products: dict[str, NDArray[np.float32]] = {}
        self._without_bias: list[NDArray[np.float32]] = []
        for node in graph.node:
            if node.op_type == "DequantizeLinear" and node.input[0] in held:
                axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
                codes, scale, zero = (held[name].astype(np.float64) for name in node.input)
                self._plain[node.output[0]] = _dequantized(codes, scale, zero, axis)
        for node in graph.node:
            if node.op_type == "MatMul" and node.input[1] in self._plain:
                weight, bias = self._plain[node.input[1]], self._bias(node.output[0])
                if bias is None:
                    self._without_bias.append(weight)
                else:
                    self._products[bias.removesuffix(".bias")] = weight

    def plain(self, name: str) -> Tensor:
        """Returns a tensor by its name."""
        return torch.from_numpy(self._plain[name].copy())

    def convolution(self, name: str) -> Tensor:
        """Returns a convolution's weight (O, I, taps) as (O, taps * I), in the order of patches."""
        quantised = f"{name}.weight_DequantizeLinear_Output"
        weight = self.plain(quantised if quantised in self._plain else f"{name}.weight")
        return weight.transpose(1, 2).reshape(len(weight), -1)

    def product(self, name: str) -> Tensor:
        """Returns a linear layer's weight (O, I)."""
        return torch.from_numpy(self._products[name].T.copy())

    def product_without_bias(self, shape: tuple[int, int]) -> Tensor:
        """Returns the first weight of this shape that has no bias: the first layer's keys."""
        for weight in self._without_bias:
            if weight.shape == shape:
                return torch.from_numpy(weight.T.copy())
        raise KeyError(shape)

    def _bias(self, name: str) -> str | None:
        """Follows a product to the bias that is added to it."""
        while (node := self._users.get(name)) is not None:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                name = node.output[0]
                continue
            if node.op_type == "Add":
                return next((one for one in node.input if one.endswith(".bias")), None)
            break
        return None


def _dequantized(
    codes: NDArray[np.float64], scale: NDArray[np.float64], zero: NDArray[np.float64], axis: int
) -> NDArray[np.float32]:
    shape = [1] * codes.ndim
    if scale.size > 1:
        shape[axis] = -1
    return np.asarray((codes - zero.reshape(shape)) * scale.reshape(shape), np.float32)
