import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dfd.clients.sources.recording import open_recording
from dfd.detector import Detector, load_detector
from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import backbone_shapes, empty_backbone, read_config
from dfd.offline.recording import score_recording
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding
from tests.cli.detecting import objects, run, speech, write


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "/no/such/folder"], "there is no model folder or file /no/such/folder"),
        (["--device", "gpu"], '"gpu" is not a device'),
        (["--device", "cuda:99"], "cuda:99 was requested"),
        (["--precision", "int4"], "Invalid value for '--precision': 'int4' is not one of"),
    ],
)
def test_a_bad_model_is_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    result = run(write(tmp_path / "a.wav", speech(1.0)), *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"dfd detect: {message}")
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Makes a tiny checkpoint with random weights, without transformers."""
    folder = tmp_path / "model"
    folder.mkdir()
    config = {
        "model_type": "wav2vec2",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "conv_dim": [8, 8],
        "conv_kernel": [400, 3],
        "conv_stride": [160, 2],
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 8,
        "id2label": {"0": "bonafide", "1": "spoof"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text("{}")
    backbone = empty_backbone(read_config(Fields(folder, config)))
    shapes = {"wav2vec2." + name: size for name, size in backbone_shapes(backbone).items()}
    shapes |= {"projector.weight": torch.Size([8, 16]), "projector.bias": torch.Size([8])}
    shapes |= {"classifier.weight": torch.Size([2, 8]), "classifier.bias": torch.Size([2])}
    torch.manual_seed(0)
    tensors = {name: 0.3 * torch.randn(size) for name, size in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_a_real_model_end_to_end(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path / "a.wav", speech(9.0))
    (found,) = objects(path, "--model", model, "--device", "cpu", "--window-scores")
    detector = load_detector(str(model), device="cpu", batch_buckets=(1,), warm=False)
    assert isinstance(detector, Detector)
    recording = open_recording(path)
    audio_format = AudioFormat(Encoding.LINEAR16, recording.audio_format.sample_rate_hz)
    (track,) = score_recording(recording.chunks(1.0), audio_format, detector, keep_windows=True)
    assert found["window_scores"] == pytest.approx(
        [window.spoof_probability for window in track.scored], abs=1e-5
    )
