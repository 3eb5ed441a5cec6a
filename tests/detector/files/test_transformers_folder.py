import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dfd.detector.files.transformers_folder import read
from dfd.detector.networks.backbone import POSITION_NORMS
from dfd.errors import UserError

Tensors = dict[str, Tensor]


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint that the test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_tensors(folder: Path, change: Callable[[Tensors], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, broken: Path) -> None:
    (broken / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing: copy the whole folder"):
        read(broken)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "dfd.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_a_file_that_is_not_a_json_object(name: str, content: bytes, broken: Path) -> None:
    (broken / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} is not .*: copy it again"):
        read(broken)


@pytest.mark.parametrize("keep", [0, 5, 200, -100])
def test_truncated_weights(keep: int, broken: Path) -> None:
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"is truncated or not a safetensors file .*copy it again"):
        read(broken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "wavlm"}, 'model_type is "wavlm"; it must be "wav2vec2" or "hubert"'),
        ({"feat_proj_layer_norm": False}, "feat_proj_layer_norm is false"),
        ({"conv_pos_batch_norm": True}, "conv_pos_batch_norm is true"),
        ({"architectures": ["Wav2Vec2ForCTC"]}, "architectures is"),
        ({"hidden_act": "relu"}, 'hidden_act is "relu"'),
        ({"add_adapter": True}, "add_adapter is true"),
        ({"adapter_attn_dim": 16}, "adapter_attn_dim is 16"),
        ({"feat_extract_norm": "batch"}, '"group" or "layer"'),
        ({"conv_stride": [8, 4]}, r"conv_stride is \[8, 4\]; it must be a list of 3"),
        ({"conv_dim": "16"}, "conv_dim is"),
        ({"num_attention_heads": 5}, "a divisor of hidden_size, 32"),
        ({"hidden_size": 0}, "hidden_size is 0; it must be a whole number from 1"),
        ({"do_stable_layer_norm": "yes"}, "true or false"),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, "do not say which output is spoof"),
        ({"id2label": None}, "do not say which output is spoof"),
        ({"intermediate_size": 64}, "the two do not belong together"),
        ({"num_hidden_layers": 3}, "lacks wav2vec2.encoder.layers.2.* and 13 more"),
        ({"num_hidden_layers": 1}, "left over: it does not match"),
        ({"use_weighted_layer_sum": True}, "lacks layer_weights"),
        ({"num_labels": 2, "conv_kernel": [4000, 3, 2]}, "gives not a single frame"),
    ],
)
def test_another_configuration_is_refused(
    changes: dict[str, Any], message: str, broken: Path
) -> None:
    edit(broken / "config.json", **changes)
    with pytest.raises(UserError, match=message):
        read(broken)


def test_a_missing_and_a_leftover_tensor(broken: Path) -> None:
    def rename(tensors: Tensors) -> None:
        tensors["classifier.wieght"] = tensors.pop("classifier.weight")

    edit_tensors(broken, rename)
    with pytest.raises(
        UserError, match=r"lacks classifier\.weight and has classifier\.wieght left over"
    ):
        read(broken)


def test_three_labels(broken: Path) -> None:
    edit(broken / "config.json", id2label={"0": "real", "1": "fake", "2": "noise"})
    with pytest.raises(UserError, match="'noise'"):
        read(broken)


def test_weights_that_are_not_finite(broken: Path) -> None:
    edit_tensors(broken, lambda tensors: tensors["projector.bias"].fill_(float("nan")))
    with pytest.raises(UserError, match=r"projector\.bias contains NaN or infinity"):
        read(broken)


def test_rates_that_contradict_each_other(broken: Path) -> None:
    edit(broken / "dfd.json", sample_rate_hz=8_000)
    with pytest.raises(UserError, match=r"8000 Hz, but preprocessor_config\.json says 16000 Hz"):
        read(broken)


def test_the_old_form_of_weight_norm_half_precision_and_training_tensors(
    folder: Path, broken: Path
) -> None:
    def rename(tensors: Tensors) -> None:
        for old, new in zip(*POSITION_NORMS, strict=True):
            tensors["wav2vec2." + old] = tensors.pop("wav2vec2." + new)
        tensors["wav2vec2.masked_spec_embed"] = torch.ones(32)

    edit_tensors(broken, rename)
    windows = torch.randn(2, 4_000)
    torch.testing.assert_close(
        read(broken).network(windows, None), read(folder).network(windows, None)
    )
    edit_tensors(
        broken, lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()})
    )
    scores = read(broken).network(windows, None)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, read(folder).network(windows, None), atol=0.5, rtol=0.0)


def same_scores(first: Path, second: Path) -> None:
    windows = torch.randn(2, 4_000)
    torch.testing.assert_close(
        read(first).network(windows, None), read(second).network(windows, None)
    )


def test_weights_in_parts(folder: Path, broken: Path) -> None:
    tensors = load_file(broken / "model.safetensors")
    (broken / "model.safetensors").unlink()
    parts: dict[str, Tensors] = {
        "model-00001-of-00002.safetensors": {},
        "model-00002-of-00002.safetensors": {},
    }
    for index, (name, value) in enumerate(tensors.items()):
        parts[list(parts)[index % 2]][name] = value
    for name, part in parts.items():
        save_file(part, broken / name, metadata={"format": "pt"})
    where = {name: file for file, part in parts.items() for name in part}
    index_file = broken / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    same_scores(broken, folder)
    assert read(broken).weights_sha256 != read(folder).weights_sha256
    (broken / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match=r"model-00002-of-00002\.safetensors is missing"):
        read(broken)
    edit(index_file, weight_map={"classifier.bias": "../model.safetensors"})
    with pytest.raises(UserError, match="must be a list of files beside it"):
        read(broken)


def test_pickled_weights_are_read_if_there_are_no_others(folder: Path, broken: Path) -> None:
    torch.save(load_file(broken / "model.safetensors"), broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    same_scores(broken, folder)
    torch.save({"x": torch.nn.Linear(1, 1)}, broken / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin is a pickle that contains code"):
        read(broken)


def test_safetensors_take_precedence_over_a_pickle(folder: Path, broken: Path) -> None:
    (broken / "pytorch_model.bin").write_bytes(b"no pickle")
    same_scores(broken, folder)
