from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfd.detector.networks.whisper_stem import StemConfig
from dfd.errors import UserError
from dfd.training.bundled.encoder import read_stages
from tests.detector.authors import save_stages

SIZES = StemConfig(states=4, heads=2, wide=6, places=3)


def onnx_file(path: Path, weights: dict[str, np.ndarray[Any, Any]]) -> Path:
    """Writes products and convolutions in 8 bits, as Smart Turn's exporter does."""
    onnx = pytest.importorskip("onnx", reason="pip install 'dfd[onnx]'")
    make, holds = onnx.helper, onnx.numpy_helper.from_array
    layer = "inner.encoder.layers.0."
    nodes: list[Any] = []
    held: list[Any] = []

    def quantised(name: str, value: np.ndarray[Any, Any], axis: int) -> str:
        shape = [1] * value.ndim
        shape[axis] = -1
        scale = np.abs(value).max(tuple(at for at in range(value.ndim) if at != axis)) / 127
        codes = np.round(value / scale.reshape(shape)).astype(np.int8)
        zero = np.zeros(scale.size, np.int8)
        parts = {"quantized": codes, "scale": scale.astype(np.float32), "zero_point": zero}
        held.extend(holds(part, f"{name}_{one}") for one, part in parts.items())
        out = f"{name}_DequantizeLinear_Output"
        inputs = [f"{name}_{one}" for one in parts]
        nodes.append(make.make_node("DequantizeLinear", inputs, [out], axis=axis))
        return out

    for name, value in weights.items():
        if name.endswith("k_proj.weight") or (name.startswith(layer) and value.ndim == 2):
            weight = quantised(f"onnx::MatMul_{len(held)}", value.T, 1)
            product = f"product_{name}"
            nodes.append(make.make_node("MatMul", ["x", weight], [product]))
            bias = name.removesuffix("weight") + "bias"
            if bias in weights:
                nodes.append(make.make_node("Add", [bias, product], [f"sum_{name}"]))
        elif value.ndim == 3:
            quantised(name, value, 0)
        else:
            held.append(holds(value, name))
    graph = make.make_graph(nodes, "encoder", [], [], held)
    onnx.save(make.make_model(graph), path)
    return path


def encoder_weights() -> dict[str, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(4)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (4, 80, 3),
        "conv1.bias": (4,),
        "conv2.weight": (4, 4, 3),
        "conv2.bias": (4,),
        "embed_positions.weight": (10, 4),
    }
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes[f"layers.0.self_attn.{name}.weight"] = (4, 4)
        if name != "k_proj":
            shapes[f"layers.0.self_attn.{name}.bias"] = (4,)
    for name, (inputs, outputs) in {"fc1": (4, 6), "fc2": (6, 4)}.items():
        shapes[f"layers.0.{name}.weight"] = (outputs, inputs)
        shapes[f"layers.0.{name}.bias"] = (outputs,)
    for name in ("self_attn_layer_norm", "final_layer_norm"):
        shapes[f"layers.0.{name}.weight"] = shapes[f"layers.0.{name}.bias"] = (4,)
    return {
        f"inner.encoder.{name}": generator.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def test_reads_an_encoder_in_8_bits(tmp_path: Path) -> None:
    weights = encoder_weights()
    found = read_stages(onnx_file(tmp_path / "encoder.onnx", weights), SIZES)
    layer = "inner.encoder.layers.0."

    def near(name: str, expected: np.ndarray[Any, Any]) -> None:
        np.testing.assert_allclose(found[name], expected, atol=0.02)

    near("conv2.weight", weights["inner.encoder.conv2.weight"].transpose(0, 2, 1).reshape(4, -1))
    near("positions", weights["inner.encoder.embed_positions.weight"][:6:2])
    near(
        "layer.inputs.weight",
        np.concatenate([weights[f"{layer}self_attn.{one}_proj.weight"] for one in "qkv"]),
    )
    near("layer.narrow.weight", weights[f"{layer}fc2.weight"])
    near("layer.last_norm.bias", weights[f"{layer}final_layer_norm.bias"])
    assert not found["layer.inputs.bias"][4:8].any()


def test_reads_the_stages_of_a_detector(tmp_path: Path) -> None:
    path = save_stages(tmp_path / "model.safetensors", SIZES)
    found = read_stages(path, SIZES)
    assert "hidden.weight" not in found
    assert all(torch.equal(value, value.half().float()) for value in found.values())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = save_stages(tmp_path / "model.safetensors", SIZES)
    with pytest.raises(UserError, match="does not have the first stages of Whisper tiny's"):
        read_stages(path, StemConfig())
    weights = encoder_weights()
    del weights["inner.encoder.conv1.bias"]
    with pytest.raises(UserError, match="does not have the first stages"):
        read_stages(onnx_file(tmp_path / "encoder.onnx", weights), SIZES)
    (tmp_path / "broken.onnx").write_bytes(b"\x00 no graph")
    with pytest.raises(UserError, match=r"broken\.onnx cannot be read as ONNX"):
        read_stages(tmp_path / "broken.onnx", SIZES)
