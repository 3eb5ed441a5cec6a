"""The published heads on backbones under fairseq's names, compared with plain implementations."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dfd.detector.files.layouts.fairseq import fairseq_name
from dfd.detector.files.read import read_checkpoint
from dfd.detector.files.state_dict import read, read_parts
from dfd.detector.networks.graphs import GraphSizes
from dfd.detector.networks.nes2net import Nes2NetSizes, Nes2NetX, published_name
from dfd.detector.networks.sls import LayerGate, SlsHead
from dfd.detector.networks.ssl_aasist import SslAasist
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError
from tests.detector.checkpoints import random_state
from tests.detector.plain import heads as plain
from tests.detector.plain.backbone import fairseq_state, make_backbone

HIDDEN = 32
SAMPLES = 12_000
WIDTHS = [(1, 4), (4, 4), (4, 6), (6, 6), (6, 6), (6, 6)]
GRAPHS = GraphSizes(6, 6, 5, (0.5, 0.5, 0.5), (2.0, 2.0, 100.0))
NES2NET = Nes2NetSizes(HIDDEN, groups=4, width=2, squeezed=8, dilation=2, attentive=0)
GROUPED = {"feat_extract_norm": "group", "conv_bias": False, "do_stable_layer_norm": False}
Tensors = dict[str, Tensor]


@pytest.fixture
def samples() -> Tensor:
    noise = torch.randn(2, SAMPLES, generator=torch.Generator().manual_seed(3))
    return noise * torch.tensor([[0.05], [0.8]])


def states_of(model: Any, samples: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Returns the last states (B, T, hidden), and all of them (embedding first)."""
    with torch.no_grad():
        found = model(samples, output_hidden_states=True)
    return found.last_hidden_state, found.hidden_states


def odds(logits: Tensor) -> Tensor:
    """Index 0 is spoof."""
    return logits[..., 0] - logits[..., 1]


def save(state: Tensors, folder: Path, name: str = "model.pth") -> Path:
    torch.save(state, folder / name)
    return folder / name


def score(path: Path, samples: Tensor, **overrides: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = read(path, ModelOverrides(**overrides)).network(samples, None)
    return found


@pytest.mark.parametrize(
    ("public", "grouped", "name"),
    [
        ("feature_extractor.conv_layers.3.conv.bias", False, "conv_layers.3.0.bias"),
        ("feature_extractor.conv_layers.3.layer_norm.bias", False, "conv_layers.3.2.1.bias"),
        ("feature_extractor.conv_layers.0.layer_norm.weight", True, "conv_layers.0.2.weight"),
        ("encoder.layers.11.layer_norm.bias", False, "layers.11.self_attn_layer_norm.bias"),
        ("encoder.layers.11.final_layer_norm.bias", False, "layers.11.final_layer_norm.bias"),
        ("encoder.layer_norm.bias", False, "encoder.layer_norm.bias"),
        ("feature_projection.layer_norm.bias", False, "layer_norm.bias"),
    ],
)
def test_names(public: str, grouped: bool, name: str) -> None:
    found = fairseq_name(public, grouped=grouped)
    assert found.endswith(name)
    assert found != public or public.startswith(("encoder.layer_norm", "encoder.layers.11.final"))


@pytest.mark.parametrize("changes", [{}, GROUPED])
def test_every_tensor_is_loaded_into_its_place(changes: dict[str, Any], tmp_path: Path) -> None:
    model = make_backbone(tmp_path, **changes)
    state = fairseq_state(model, "m_ssl.model.")
    state |= {"proj_fc.weight": torch.randn(2, HIDDEN), "proj_fc.bias": torch.randn(2)}
    network: Any = read(save(state, tmp_path)).network
    torch.testing.assert_close(
        network.transformer.layers[1].feed_forward.output_dense.weight,
        state["m_ssl.model.encoder.layers.1.fc2.weight"],
    )
    mine = sorted(float(value.double().sum()) for value in network.transformer.layers.parameters())
    theirs = sorted(
        float(value.double().sum())
        for name, value in state.items()
        if name.startswith("m_ssl.model.encoder.layers.")
    )
    assert mine == pytest.approx(theirs)


@pytest.mark.parametrize("kind", ["pth", "safetensors", "ckpt", "half"])
def test_antideepfake(
    kind: str, samples: Tensor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_backbone(tmp_path)
    head = nn.Linear(HIDDEN, 2)
    state = fairseq_state(model, "m_ssl.model.")
    state |= {f"proj_fc.{name}": value.detach() for name, value in head.state_dict().items()}
    if kind == "half":
        state = {name: value.half() for name, value in state.items()}
    content: Any = {"model": state, "optimizer": {}} if kind == "ckpt" else state
    path = tmp_path / f"net.{'pth' if kind == 'half' else kind}"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(content, path)
    with caplog.at_level(logging.INFO, "dfd.detector"):
        checkpoint = read(path)
    assert "AntiDeepfake" in caplog.text
    assert "left from pre-training" in caplog.text
    assert (checkpoint.layout, checkpoint.spoof_label) == ("antideepfake", "0")
    assert (checkpoint.card.normalize, checkpoint.card.padding) == (True, "mask")
    normalised = torch.nn.functional.layer_norm(samples, (SAMPLES,))
    expected = odds(head(states_of(model, normalised)[0].mean(1)))
    with torch.no_grad():
        found = checkpoint.network(samples, None)
    torch.testing.assert_close(found, expected, atol=0.05 if kind == "half" else 1e-4, rtol=1e-4)


def test_ssl_aasist(samples: Tensor, tmp_path: Path) -> None:
    model = make_backbone(tmp_path)
    head = random_state(SslAasist(HIDDEN, 18, WIDTHS, GRAPHS))
    unread = {
        f"encoder.{block}.0.bn1.{part}": torch.ones(WIDTHS[block][0])
        for block in range(1, 6)
        for part in ("weight", "bias", "running_mean", "running_var")
    }
    path = save(fairseq_state(model, "ssl_model.model.") | head | unread, tmp_path)
    checkpoint = read(path)
    assert (checkpoint.layout, checkpoint.card.padding) == ("ssl-aasist", "repeat")
    assert (checkpoint.card.window_samples, checkpoint.card.utterance_score) == (64_600, "first")
    last, _ = states_of(model, samples)
    expected = odds(torch.stack([plain.ssl_aasist(head, one) for one in last]))
    assert abs(float(expected.diff())) > 1e-3
    torch.testing.assert_close(score(path, samples), expected, atol=1e-4, rtol=1e-4)


def test_ssl_aasist_s_head_at_its_true_size(tmp_path: Path) -> None:
    widths = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64)]
    sizes = GraphSizes(64, 64, 32, (0.5, 0.5, 0.5), (2.0, 2.0, 100.0))
    module = SslAasist(1_024, 128, widths, sizes)
    head = random_state(module)
    module.load_state_dict(head)
    assert head["pos_S"].shape == (1, 42, 64)
    states = torch.randn(1, 201, 1_024, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        found = module.eval()(states, None)[0]
        expected = plain.ssl_aasist(head, states[0])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def sls_state(frames: int) -> Tensors:
    inputs = (frames // 3) * (HIDDEN // 3)
    return random_state(SlsHead(inputs, 12)) | random_state(LayerGate(HIDDEN), spread=3.0)


def test_sls(tmp_path: Path) -> None:
    samples = torch.randn(2, 64_600) * torch.tensor([[0.05], [0.8]])
    model = make_backbone(tmp_path)
    last, layers = states_of(model, samples)
    head = sls_state(last.shape[1])
    path = save(fairseq_state(model, "ssl_model.model.") | head, tmp_path)
    checkpoint = read(path)
    assert (checkpoint.layout, checkpoint.card.window_samples) == ("sls", 64_600)
    # the last of transformers' hidden states is normalised, fairseq's is not
    with torch.no_grad():
        before = model.encoder.layers[-1](layers[-2])
    before = before[0] if isinstance(before, tuple) else before
    raw = [*layers[1:-1], before]
    expected = odds(torch.stack([plain.sls(head, [x[i] for x in raw]) for i in range(2)]))
    assert abs(float(expected.diff())) > 1e-4
    torch.testing.assert_close(score(path, samples), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="takes windows of 64600 samples only"):
        read(path, ModelOverrides(window_seconds=2.0))


@pytest.mark.parametrize("attentive", [0, 7])
def test_nes2net_x(attentive: int, samples: Tensor, tmp_path: Path) -> None:
    model = make_backbone(tmp_path)
    module = Nes2NetX(replace(NES2NET, attentive=attentive))
    head = {published_name(name): value for name, value in random_state(module).items()}
    named = {f"Nested_Res2Net_TDNN.{name}": value for name, value in head.items()}
    path = save(fairseq_state(model, "ssl_model.model.") | named, tmp_path)
    assert (read(path).layout, read(path).card.window_samples) == ("nes2net-x", 64_000)
    last, _ = states_of(model, samples)
    expected = odds(torch.stack([plain.nes2net_x(head, one, 4, 2) for one in last]))
    assert abs(float(expected.diff())) > 1e-3
    torch.testing.assert_close(score(path, samples), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("proj_fc.bias"), r"lacks proj_fc\.bias"),
        (
            lambda state: state.pop("m_ssl.model.encoder.layers.0.fc1.bias"),
            r"lacks m_ssl\.model\.encoder\.layers\.0\.fc1\.bias",
        ),
        (
            lambda state: state.update({"m_ssl.model.encoder.adapter": torch.ones(1)}),
            r"has m_ssl\.model\.encoder\.adapter left over",
        ),
    ],
)
def test_mismatches_are_named(
    change: Callable[[Tensors], object], message: str, tmp_path: Path
) -> None:
    state = fairseq_state(make_backbone(tmp_path), "m_ssl.model.")
    state |= {"proj_fc.weight": torch.randn(2, HIDDEN), "proj_fc.bias": torch.randn(2)}
    change(state)
    with pytest.raises(UserError, match=message):
        read(save(state, tmp_path))


def test_parts_are_read_as_one_file(samples: Tensor, tmp_path: Path) -> None:
    state = fairseq_state(make_backbone(tmp_path), "m_ssl.model.")
    state |= {"proj_fc.weight": torch.randn(2, HIDDEN), "proj_fc.bias": torch.randn(2)}
    expected = score(save(state, tmp_path), samples)
    folder = tmp_path / "mms-300m"
    folder.mkdir()
    names = sorted(state)
    parts = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for part, held in parts.items():
        save_file({name: state[name] for name in held}, folder / part)
    index = {"weight_map": {name: part for part, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps({"library": "another"}))
    with pytest.raises(UserError, match=r"put the backbone's config\.json next to the file"):
        read_checkpoint(str(folder))
    shutil.copy(tmp_path / "config.json", folder)
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"architectures": None}))
    with torch.no_grad():
        checkpoint = read_parts(folder)
        torch.testing.assert_close(checkpoint.network(samples, None), expected)
    assert checkpoint.card.name == "mms-300m"
    (folder / "two.safetensors").unlink()
    with pytest.raises(UserError, match=r"two\.safetensors is missing"):
        read_parts(folder)
