import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from dfd.errors import UserError
from dfd.training.weights.pretrained import load_backbone
from tests.training.backbones import LAYER_NORM, TINY, make_backbone


def test_properties_of_a_folder(base_backbone: Path, xlsr_backbone: Path, tmp_path: Path) -> None:
    base, xlsr = load_backbone(str(base_backbone)), load_backbone(str(xlsr_backbone))
    assert (base.masks, xlsr.masks) == (False, True)
    assert (base.normalises, xlsr.normalises) == (True, True)
    raw = load_backbone(str(make_backbone(tmp_path, normalises=False)))
    assert not raw.normalises
    assert base.sha256 == raw.sha256 != xlsr.sha256


def test_any_saved_head_is_ignored(tmp_path: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    make: Any = Wav2Vec2ForSequenceClassification
    whole = make(Wav2Vec2Config(**TINY))
    whole.save_pretrained(tmp_path)
    model = load_backbone(str(tmp_path)).model
    for name, value in whole.wav2vec2.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_the_bundled_one() -> None:
    assert load_backbone("bundled").masks


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no backbone folder"):
        load_backbone(str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"has no config\.json"):
        load_backbone(str(tmp_path))


def test_a_hub_id_without_network_says_to_copy_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="copy FOLDER here and name it as --backbone") as caught:
        load_backbone("nobody/wav2vec2-none")
    assert "\n" not in str(caught.value)


def test_missing_tensors_are_refused(tmp_path: Path) -> None:
    make_backbone(tmp_path, **LAYER_NORM)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["encoder.layers.1.feed_forward.output_dense.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 tensors .*encoder\.layers\.1\.feed"):
        load_backbone(str(tmp_path))


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="is a bert, not a wav2vec2"):
        load_backbone(str(tmp_path))
