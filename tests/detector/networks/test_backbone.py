import json
from pathlib import Path
from typing import Any

import torch

from dfd.detector.files.tensors import read_safetensors
from dfd.detector.files.transformers_folder import read
from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import (
    empty_backbone,
    fill_backbone,
    fold_position_norm,
    read_config,
)

DEFAULT = Fields(Path("config.json"), {"model_type": "wav2vec2"})


def test_defaults_are_those_of_transformers() -> None:
    from transformers import Wav2Vec2Config

    config = read_config(DEFAULT)
    theirs = Wav2Vec2Config()
    for name in config.__dataclass_fields__:
        value = getattr(theirs, name)
        assert getattr(config, name) == (tuple(value) if isinstance(value, list) else value)


def test_receptive_field_is_25_ms() -> None:
    assert read_config(DEFAULT).receptive_field == 400


def test_backbone_equals_the_one_that_torchaudio_imports(folder: Path) -> None:
    from torchaudio.models.wav2vec2.utils import import_huggingface_model
    from transformers import Wav2Vec2Model

    original: Any = Wav2Vec2Model.from_pretrained(folder)
    original.eval()
    imported = import_huggingface_model(original).eval()
    fields = Fields(folder, json.loads((folder / "config.json").read_text()))
    ours = empty_backbone(read_config(fields))
    tensors = fold_position_norm(read_safetensors(folder / "model.safetensors"), "wav2vec2.")
    fill_backbone(ours, {name.removeprefix("wav2vec2."): t for name, t in tensors.items()})
    waves = torch.randn(2, 4_000)
    with torch.no_grad():
        torch.testing.assert_close(ours(waves)[0], imported(waves)[0], atol=1e-5, rtol=1e-5)


def test_frames_are_counted_as_transformers_counts_them(folder: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    checkpoint = read(folder)
    theirs: Any = Wav2Vec2Model(Wav2Vec2Config.from_pretrained(folder))
    lengths = torch.arange(checkpoint.least_samples, 4_001)
    count: Any = checkpoint.network._frame_count
    torch.testing.assert_close(count(lengths), theirs._get_feat_extract_output_lengths(lengths))
