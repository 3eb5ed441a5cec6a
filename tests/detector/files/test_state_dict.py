import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from dfd.detector import Detector, ModelOverrides, load_detector
from dfd.detector.files.state_dict import read
from dfd.errors import UserError
from tests.detector.authors import SMALL, TopFour, TwoStage
from tests.detector.conftest import BUCKETS
from tests.detector.files.test_heads import Tensors


def load(path: Path, **overrides: Any) -> Detector:
    said = ModelOverrides(**overrides)
    return load_detector(
        str(path), precision="fp32", batch_buckets=BUCKETS, warm=False, overrides=said
    )


@pytest.fixture
def copied(two_stage: Path, tmp_path: Path) -> Path:
    """A copy of system A's checkpoint that the test may damage."""
    shutil.copytree(two_stage.parent, tmp_path / "a")
    return tmp_path / "a" / two_stage.name


def edit(path: Path, change: Callable[[Tensors], object]) -> None:
    content = torch.load(path, weights_only=False)
    change(content.get("model_state_dict", content))
    torch.save(content, path)


def plain(model: Any, path: Path, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Computes log-odds of whole windows by the authors' own module, loaded from their file."""
    content = torch.load(path, weights_only=False)
    model.load_state_dict(content.get("model_state_dict", content))
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(windows))
    odds: NDArray[np.float32] = (logits[:, 1] - logits[:, 0]).numpy()
    return odds


@pytest.fixture
def seconds() -> NDArray[np.float32]:
    """Seven windows of 4 s."""
    generator = np.random.default_rng(5)
    loudness = np.geomspace(1e-2, 1.0, 7)[:, None]
    noise = loudness * generator.standard_normal((7, 64_000))
    windows: NDArray[np.float32] = (noise / np.abs(noise).max()).astype(np.float32)
    return windows


def test_system_a(two_stage: Path, seconds: NDArray[np.float32]) -> None:
    detector = load(two_stage)
    spec = detector.spec
    assert (spec.layout, spec.name, spec.spoof_label) == ("two-stage", "stage2_best", "1")
    assert (spec.window_samples, spec.hop_samples, spec.padding) == (64_000, 32_000, "zero")
    assert (spec.normalize, spec.utterance_score, spec.min_speech_seconds) == (False, "mean", 0.0)
    assert (spec.rolling_threshold, spec.cumulative_threshold) == (0.5, 0.5)
    expected = plain(TwoStage(**SMALL), two_stage, seconds)
    assert np.ptp(expected) > 0.05
    lengths = np.full(7, 64_000, np.int64)
    np.testing.assert_allclose(detector.score(seconds, lengths), expected, atol=1e-4)


def test_system_c(top_four: Path, seconds: NDArray[np.float32]) -> None:
    detector = load(top_four)
    spec = detector.spec
    assert (spec.layout, spec.name, spec.spoof_label) == ("top4-mlp", "best", "1")
    assert (spec.window_samples, spec.padding, spec.normalize) == (64_000, "zero", False)
    assert (spec.utterance_score, spec.cumulative_threshold) == ("first", 0.5)
    expected = plain(TopFour(inner=12, **SMALL), top_four, seconds)
    assert np.ptp(expected) > 0.05
    lengths = np.full(7, 64_000, np.int64)
    np.testing.assert_allclose(detector.score(seconds, lengths), expected, atol=1e-4)


def test_a_short_window_is_padded_with_zeros(two_stage: Path, seconds: NDArray[np.float32]) -> None:
    padded = seconds[:2].copy()
    padded[:, 20_000:] = 0.0
    expected = plain(TwoStage(**SMALL), two_stage, padded)
    scores = load(two_stage).score(seconds[:2], np.full(2, 20_000, np.int64))
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "module.", "net.frontend.model."])
def test_any_prefix_is_found_and_logged(
    prefix: str, top_four: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = {
        name.replace("ssl.", prefix, 1).replace("head.", "out.layers."): value
        for name, value in torch.load(top_four).items()
    }
    shutil.copy(top_four.parent / "config.json", tmp_path)
    torch.save(state, tmp_path / "best.pt")
    with caplog.at_level(logging.INFO, "dfd.detector"):
        checkpoint = read(tmp_path / "best.pt")
    assert f'backbone under the prefix "{prefix}"' in caplog.text
    assert "head out.layers.0 [32, 12], out.layers.3 [12, 2], GELU" in caplog.text
    windows = 0.1 * torch.randn(2, 8_000)
    torch.testing.assert_close(
        checkpoint.network(windows, None), read(top_four).network(windows, None)
    )


def test_safetensors_can_contain_a_state_dict(top_four: Path, tmp_path: Path) -> None:
    shutil.copy(top_four.parent / "config.json", tmp_path)
    save_file(torch.load(top_four), tmp_path / "best.safetensors")
    windows = 0.1 * torch.randn(2, 8_000)
    torch.testing.assert_close(
        read(tmp_path / "best.safetensors").network(windows, None),
        read(top_four).network(windows, None),
    )


def test_half_precision_is_widened(copied: Path, two_stage: Path) -> None:
    edit(copied, lambda state: state.update({k: v.half() for k, v in state.items()}))
    windows = 0.1 * torch.randn(2, 8_000)
    scores = read(copied).network(windows, None)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, read(two_stage).network(windows, None), atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("backbone.encoder.layers.1.final_layer_norm.bias"),
            r"stage2_best\.pt lacks backbone\.encoder\.layers\.1\.final_layer_norm\.bias",
        ),
        (
            lambda state: state.update({"domain.weight": torch.ones(2)}),
            r"has domain\.weight left over, which belongs neither to a backbone",
        ),
        (
            lambda state: state.update({"backbone.encoder.layers.0.adapter.scale": torch.ones(2)}),
            r"has backbone\.encoder\.layers\.0\.adapter\.scale left over: it does not match",
        ),
        (
            lambda state: state.update({"classifier.weight": torch.ones(2, 31)}),
            r"its head is classifier \[31, 2\] \(inputs, outputs\), but only heads of one or two",
        ),
        (
            lambda state: state.update(
                {"classifier.weight": torch.ones(1, 32), "classifier.bias": torch.ones(1)}
            ),
            r"its head is classifier \[32, 1\]",
        ),
        (
            lambda state: state.pop("classifier.bias"),
            r"has classifier\.weight left over",
        ),
        (
            lambda state: [state.pop(f"classifier.{part}") for part in ("weight", "bias")],
            r"has no classifier beside the backbone",
        ),
        (
            lambda state: state.update(
                {"backbone.feature_projection.projection.bias": torch.ones(33)}
            ),
            r"projection\.bias has the shape \[33\], but the config\.json next to it says \[32\]",
        ),
        (
            lambda state: state["classifier.bias"].fill_(float("inf")),
            r"classifier\.bias contains NaN or infinity",
        ),
        (
            lambda state: [
                state.pop(name) for name in list(state) if name.startswith("backbone.feature_ex")
            ],
            r"has no layout that can be read: .* whose name ends in feature_extractor",
        ),
        (
            lambda state: state.update(
                {"other." + name: value for name, value in list(state.items())}
            ),
            r"has 2 backbones, under backbone\., other\.backbone\.",
        ),
    ],
)
def test_mismatches_are_named(
    change: Callable[[Tensors], object], message: str, copied: Path
) -> None:
    edit(copied, change)
    with pytest.raises(UserError, match=message):
        read(copied)


def test_training_tensors_may_be_missing(copied: Path) -> None:
    edit(copied, lambda state: state.pop("backbone.masked_spec_embed"))
    assert read(copied).layout == "two-stage"


def test_other_combinations_need_the_spoof_label(two_stage: Path, tmp_path: Path) -> None:
    shutil.copy(two_stage.parent / "config.json", tmp_path)
    path = tmp_path / "best.pt"
    torch.save(torch.load(two_stage, weights_only=False)["model_state_dict"], path)
    with pytest.raises(UserError, match=r"best\.pt does not say .* --spoof-label 0 or 1"):
        read(path)
    first = read(path, ModelOverrides(spoof_label="0"))
    assert (first.layout, first.spoof_label) == ("state-dict", "0")
    (tmp_path / "dfd.json").write_text(json.dumps({"spoof_label": 1}))
    windows = 0.1 * torch.randn(1, 8_000)
    torch.testing.assert_close(
        first.network(windows, None), -read(path).network(windows, None), atol=1e-5, rtol=0
    )
    with pytest.raises(UserError, match="none of its outputs is 'fake'"):
        read(path, ModelOverrides(spoof_label="fake"))


def test_the_card_next_to_it_is_used(copied: Path) -> None:
    card = {"name": "ours", "hop_samples": 64_000, "normalize": True, "utterance_score": "first"}
    (copied.parent / "dfd.json").write_text(json.dumps(card))
    spec = load(copied, alert_threshold=0.7, padding="mask").spec
    assert (spec.name, spec.hop_samples, spec.normalize) == ("ours", 64_000, True)
    assert (spec.utterance_score, spec.cumulative_threshold, spec.padding) == ("first", 0.7, "mask")


def test_unpublished_sizes_need_their_configuration(copied: Path) -> None:
    (copied.parent / "config.json").unlink()
    with pytest.raises(
        UserError, match=r"3 convolutions .* hidden size 32, .* put the backbone's config\.json"
    ):
        read(copied)


def test_a_configuration_of_another_model(copied: Path) -> None:
    config = copied.parent / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 3}))
    with pytest.raises(UserError, match=r"lacks .*layers\.2.* does not match the config"):
        read(copied)


def test_a_window_of_less_than_a_frame(copied: Path) -> None:
    config = copied.parent / "config.json"
    strides = {"conv_stride": [800, 20, 2]}
    config.write_text(json.dumps(json.loads(config.read_text()) | strides))
    with pytest.raises(UserError, match="gives not a single frame"):
        read(copied, ModelOverrides(window_seconds=0.25))


def test_leftovers_of_training_are_ignored_and_named(
    copied: Path, two_stage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(state: Tensors) -> None:
        averaged = {"ema_model.module." + name: value + 1.0 for name, value in state.items()}
        compiled = {name.replace("backbone.", "backbone._orig_mod."): state[name] for name in state}
        state.clear()
        state.update(compiled | averaged | {"criterion.weight": torch.ones(2)})

    edit(copied, leave)
    with caplog.at_level(logging.INFO, "dfd.detector"):
        found = read(copied)
    assert "left over from training and ignored" in caplog.text
    assert "ema_model.module.backbone.masked_spec_embed" in caplog.text
    assert "_orig_mod. of torch.compile left out of the names" in caplog.text
    windows = 0.1 * torch.randn(2, 8_000)
    torch.testing.assert_close(found.network(windows, None), read(two_stage).network(windows, None))
