"""Backbones that torchaudio does not have, compared with transformers' own forward pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from dfd.detector import ModelOverrides, load_detector
from dfd.detector.networks.encoders.w2v_bert import Filterbanks
from dfd.errors import UserError
from tests.detector.checkpoints import random_state

WINDOW = 8_000
LENGTHS = (8_000, 8_000, 5_001, 3_217, 8_000, 1_777)
COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "classifier_proj_size": 12,
    "num_labels": 2,
    "id2label": {0: "bonafide", 1: "spoof"},
    "label2id": {"bonafide": 0, "spoof": 1},
    "layerdrop": 0.0,
}
CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (8, 4, 2),
    "num_feat_extract_layers": 3,
}
POSITION: dict[str, Any] = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "wavlm": ("WavLM", CONVOLUTIONS | POSITION | {"num_buckets": 40, "max_bucket_distance": 60}),
    "wavlm-stable": (
        "WavLM",
        CONVOLUTIONS
        | POSITION
        | {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
        | {"use_weighted_layer_sum": True},
    ),
    "data2vec": (
        "Data2VecAudio",
        CONVOLUTIONS
        | {"num_conv_pos_embeddings": 3, "num_conv_pos_embedding_groups": 4}
        | {"conv_pos_kernel_size": 7, "use_weighted_layer_sum": True},
    ),
    "conformer": (
        "Wav2Vec2Conformer",
        CONVOLUTIONS | POSITION | {"conv_depthwise_kernel_size": 7},
    ),
    "conformer-rotary": (
        "Wav2Vec2Conformer",
        CONVOLUTIONS
        | POSITION
        | {"conv_depthwise_kernel_size": 5, "position_embeddings_type": "rotary"}
        | {"hidden_act": "swish", "feat_extract_norm": "layer", "use_weighted_layer_sum": True},
    ),
    "conformer-unplaced": (
        "Wav2Vec2Conformer",
        CONVOLUTIONS
        | POSITION
        | {"conv_depthwise_kernel_size": 5, "position_embeddings_type": None},
    ),
    "w2v-bert": (
        "Wav2Vec2Bert",
        {
            "conv_depthwise_kernel_size": 7,
            "left_max_position_embeddings": 6,
            "right_max_position_embeddings": 3,
        },
    ),
    "w2v-bert-relative": (
        "Wav2Vec2Bert",
        {"position_embeddings_type": "relative", "use_weighted_layer_sum": True},
    ),
}


def save(folder: Path, kind: str, seed: int = 1, **changes: Any) -> Any:
    """Writes random weights as transformers does; returns its model."""
    name, sizes = KINDS[kind]
    config = getattr(transformers, f"{name}Config")(**(COMMON | sizes | changes))
    model = getattr(transformers, f"{name}ForSequenceClassification")(config)
    # like trained ones: no zeros, no ones
    state = random_state(model, seed, spread=2.0)
    computed = {name for name in state if name.endswith("inv_freq")}
    model.load_state_dict({n: v for n, v in state.items() if n not in computed}, strict=False)
    model.save_pretrained(folder)
    kind_of: Any = (
        transformers.SeamlessM4TFeatureExtractor
        if name == "Wav2Vec2Bert"
        else transformers.Wav2Vec2FeatureExtractor
    )
    kind_of().save_pretrained(folder)
    card = {"window_samples": WINDOW, "hop_samples": WINDOW // 2}
    (folder / "dfd.json").write_text(json.dumps(card))
    return model.eval()


def expected(folder: Path, model: Any, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns transformers' log-odds of windows, each alone and without padding."""
    load: Any = transformers.AutoFeatureExtractor
    extractor = load.from_pretrained(folder)
    scores = []
    for window, length in zip(windows, LENGTHS, strict=True):
        inputs = extractor(window[:length], sampling_rate=16_000, return_tensors="pt")
        if "input_values" in inputs:
            inputs = {"input_values": inputs["input_values"]}
        with torch.no_grad():
            logits = model(**inputs).logits[0]
        scores.append(float(logits[1] - logits[0]))
    return np.array(scores, np.float32)


def noise() -> NDArray[np.float32]:
    generator = np.random.default_rng(3)
    windows = generator.normal(0.0, 0.1, (len(LENGTHS), WINDOW)).astype(np.float32)
    # each with a different spectrum
    for number, window in enumerate(windows):
        window[1:] += (number / 4.0) * window[:-1]
    return windows


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    model = save(tmp_path, kind)
    windows = noise()
    wanted = expected(tmp_path, model, windows)
    assert np.ptp(wanted) > 0.1  # the scores differ
    detector = load_detector(
        str(tmp_path), device="cpu", precision="fp32", batch_buckets=(1, 2, 4), warm=False
    )
    found = detector.score(windows, np.array(LENGTHS))
    assert found == pytest.approx(wanted, abs=2e-4)
    alone = [
        detector.score(windows[number : number + 1], np.array(LENGTHS[number : number + 1]))[0]
        for number in range(len(LENGTHS))
    ]
    assert alone == pytest.approx(wanted, abs=2e-4)


@pytest.mark.parametrize("kind", ["wavlm", "data2vec", "conformer", "w2v-bert"])
def test_half_precision_scores_nearly_the_same(kind: str, tmp_path: Path) -> None:
    model = save(tmp_path, kind)
    windows = noise()
    detector = load_detector(
        str(tmp_path), device="cpu", precision="bf16", batch_buckets=(1, 2), warm=False
    )
    assert detector.spec.precision == "bf16"
    found = detector.score(windows, np.array(LENGTHS))
    assert found == pytest.approx(expected(tmp_path, model, windows), abs=0.4)


@pytest.mark.parametrize("kind", ["wavlm", "w2v-bert-relative"])
def test_frames_can_be_joined_by_their_maximum(kind: str, tmp_path: Path) -> None:
    model = save(tmp_path, kind)
    windows = noise()
    projected: list[torch.Tensor] = []
    model.projector.register_forward_hook(lambda _, __, out: projected.append(out))
    expected(tmp_path, model, windows)
    with torch.no_grad():
        # transformers masks the last, incomplete pair of filterbanks
        most = [
            model.classifier(out[0, : _pairs(length) if "bert" in kind else None].amax(dim=0))
            for out, length in zip(projected, LENGTHS, strict=True)
        ]
    wanted = [float(logits[1] - logits[0]) for logits in most]
    detector = load_detector(
        str(tmp_path),
        device="cpu",
        precision="fp32",
        batch_buckets=(1, 4),
        warm=False,
        overrides=ModelOverrides(pooling="max"),
    )
    assert detector.score(windows, np.array(LENGTHS)) == pytest.approx(wanted, abs=2e-4)


def _pairs(samples: int) -> int:
    return ((samples - 400) // 160 + 1) // 2


@pytest.mark.parametrize("kind", ["wavlm", "w2v-bert"])
def test_they_do_not_run_in_int8(kind: str, tmp_path: Path) -> None:
    save(tmp_path, kind)
    with pytest.raises(UserError, match="int8"):
        load_detector(str(tmp_path), device="cpu", precision="int8")


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("wavlm", {"add_adapter": True}, "add_adapter is true"),
        ("wavlm", {"num_hidden_layers": 5}, "lacks wavlm.encoder.layers.3"),
        ("conformer", {"conv_depthwise_kernel_size": 6}, "an odd number"),
        ("conformer", {"position_embeddings_type": "relative_key"}, "position_embeddings_type"),
        ("w2v-bert", {"use_intermediate_ffn_before_adapter": True}, "before_adapter is true"),
        ("w2v-bert", {"feature_projection_input_dim": 80}, "it must be 160"),
        ("data2vec", {"model_type": "wav2vec2"}, "model_type"),
    ],
)
def test_what_is_not_supported_is_refused(
    kind: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    save(tmp_path, kind)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))
    with pytest.raises(UserError, match=message):
        load_detector(str(tmp_path), device="cpu")


def test_other_filterbanks_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "w2v-bert")
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_mel_bins": 64}))
    with pytest.raises(UserError, match="num_mel_bins is 64; it must be 80"):
        load_detector(str(tmp_path), device="cpu")


@pytest.mark.parametrize("samples", [16_000, 16_100, 720])
def test_filterbanks_are_those_of_transformers(samples: int) -> None:
    wave = np.random.default_rng(5).normal(0.0, 0.05, samples).astype(np.float32)
    wave += 0.2 * np.sin(np.arange(samples) / 9.0).astype(np.float32)
    kind: Any = transformers.SeamlessM4TFeatureExtractor
    inputs = kind()(wave, sampling_rate=16_000, return_tensors="pt")
    wanted = inputs["input_features"][0][inputs["attention_mask"][0].bool()]
    found = Filterbanks()(torch.from_numpy(wave).unsqueeze(0), None)[0][0]
    assert found.shape == wanted.shape
    assert found.numpy() == pytest.approx(wanted.numpy(), abs=2e-3)
