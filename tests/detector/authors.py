"""The reference systems as their authors built, saved and scored them, with transformers only.

Weights are random; layouts, sizes and arithmetic are theirs (docs/reference-systems.md).
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from dfd.detector.networks.light_cnn import LightCnnConfig
from dfd.detector.networks.whisper_stem import CONFIG_KEY, PREFIX, StemConfig, WhisperStem

Samples = NDArray[np.float32]
WINDOW, HOP = 64_000, 32_000
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (8, 4, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
SMALL_CLASSIFIER: dict[str, Any] = SMALL | {
    "classifier_proj_size": 12,
    "num_labels": 2,
    "id2label": {0: "bonafide", 1: "spoof"},
    "label2id": {"bonafide": 0, "spoof": 1},
}


def shaken(model: Any, spread: float = 0.1) -> Any:
    """Sets random norms and biases, and logits large enough to show differences."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "original" not in name:
                value.add_(spread * torch.randn_like(value))
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        last.weight.mul_(4.0)
    return model.eval()


class TwoStage(nn.Module):
    """System A: the mean frame and one linear layer."""

    def __init__(self, **sizes: Any) -> None:
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        super().__init__()
        config = Wav2Vec2Config(**sizes)
        build: Any = Wav2Vec2Model
        self.backbone = build(config)
        self.classifier = nn.Linear(config.hidden_size, 2)

    def forward(self, values: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.backbone(values).last_hidden_state.mean(dim=1))
        return logits

    def save(self, path: Path) -> None:
        """Saves as the training script does at the end of stage 2, which trains two layers."""
        trained = [*self.backbone.encoder.layers[-2:].parameters(), *self.classifier.parameters()]
        optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.01)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 - step / 100)
        for value in trained:
            value.grad = torch.zeros_like(value)
        optimizer.param_groups[0]["weight_decay"] = 0.0
        optimizer.step()
        scheduler.step()
        torch.save(
            {
                "epoch": 7,
                "model_state_dict": self.state_dict(),
                "optimizer_state_dict": optimizer.state_dict(),
                "scheduler_state_dict": scheduler.state_dict(),
                "best_eer": np.float64(0.0069),
                "config": {
                    "out": Path("runs") / "stage2",
                    "arguments": argparse.Namespace(lr=1e-5, seed=np.int64(3)),
                    "weights": np.array([4.92, 0.56]),
                    "top_layers": 2,
                },
            },
            path,
        )

    def windows(self, samples: Samples) -> list[float]:
        """Returns P(spoof) of each window; the last one is zero-padded and covers the remainder."""
        scores: list[float] = []
        start = 0
        while True:
            window = np.zeros(WINDOW, np.float32)
            piece = samples[start : start + WINDOW]
            window[: len(piece)] = piece
            with torch.no_grad():
                logits = self(torch.from_numpy(window)[None])
            scores.append(float(logits.softmax(dim=-1)[0, 1]))
            if start + WINDOW >= len(samples):
                return scores
            start += HOP

    def utterance(self, samples: Samples) -> float:
        """Returns the mean P(spoof) of the windows."""
        return float(np.mean(self.windows(samples)))


class TopFour(nn.Module):
    """System C: the mean frame, a hidden layer with GELU, a linear layer."""

    def __init__(self, inner: int = 256, **sizes: Any) -> None:
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        super().__init__()
        config = Wav2Vec2Config(**sizes)
        build: Any = Wav2Vec2Model
        self.ssl = build(config)
        self.head = nn.Sequential(
            nn.Linear(config.hidden_size, inner), nn.GELU(), nn.Dropout(0.1), nn.Linear(inner, 2)
        )

    def forward(self, values: Tensor) -> Tensor:
        logits: Tensor = self.head(self.ssl(values).last_hidden_state.mean(dim=1))
        return logits

    def save(self, path: Path) -> None:
        torch.save(self.state_dict(), path)

    def utterance(self, samples: Samples) -> float:
        """Returns P(spoof) of the first four seconds, zero-padded if there are fewer."""
        window = np.zeros(WINDOW, np.float32)
        window[: min(WINDOW, len(samples))] = samples[:WINDOW]
        with torch.no_grad():
            return float(self(torch.from_numpy(window)[None]).softmax(dim=-1)[0, 1])


def transformers_utterance(folder: Path, samples: Samples, *, spoof: int = 1) -> float:
    """Returns P(spoof) of a whole clip as system B's family scores it, by the folder's files."""
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    build: Any = Wav2Vec2ForSequenceClassification
    model = build.from_pretrained(folder).eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    features = extractor(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        return float(model(features.input_values).logits.softmax(dim=-1)[0, spoof])


def save_small_two_stage(folder: Path) -> Path:
    """Makes a tiny checkpoint of system A, with the backbone's config.json next to it."""
    torch.manual_seed(8)
    return _save_small(TwoStage(**SMALL), folder / "stage2_best.pt")


def save_small_top_four(folder: Path) -> Path:
    """Makes a tiny checkpoint of system C, likewise."""
    torch.manual_seed(8)
    return _save_small(TopFour(inner=12, **SMALL), folder / "best.pt")


def _save_small(model: Any, path: Path) -> Path:
    from transformers import Wav2Vec2Config

    shaken(model).save(path)
    Wav2Vec2Config(**SMALL).save_pretrained(path.parent)
    return path


def save_transformers(
    folder: Path,
    *,
    do_normalize: bool = True,
    spread: float = 0.1,
    model_type: str = "wav2vec2",
    **sizes: Any,
) -> Path:
    """Makes a folder of system B's family, or of another class of transformers."""
    from transformers import AutoConfig, AutoModelForAudioClassification, Wav2Vec2FeatureExtractor

    torch.manual_seed(7)
    config: Any = AutoConfig.for_model(model_type, **sizes)
    build: Any = AutoModelForAudioClassification
    shaken(build.from_config(config), spread).save_pretrained(folder)
    extractor: Any = Wav2Vec2FeatureExtractor
    extractor(do_normalize=do_normalize).save_pretrained(folder)
    return folder


def save_light_cnn(folder: Path, sizes: LightCnnConfig, stem: StemConfig | None = None) -> Path:
    """Makes a tiny Wav2Vec2 with a light CNN, as the bundled detector's recipe saves it."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

    from dfd.detector.with_transformers import Wav2Vec2LightCnn

    torch.manual_seed(9)
    kept = {key: SMALL_CLASSIFIER[key] for key in ("num_labels", "id2label", "label2id")}
    config: Any = Wav2Vec2Config
    changes = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
    light_cnn = json.loads(json.dumps(asdict(sizes)))
    beside = {} if stem is None else {CONFIG_KEY: asdict(stem)}
    model = Wav2Vec2LightCnn(config(**(SMALL | kept | changes), light_cnn=light_cnn, **beside))
    shaken(model)
    with torch.no_grad():
        for branch in model.light_cnn.branches:
            branch.classifier.weight.mul_(20.0)
    model.save_pretrained(folder)
    extractor: Any = Wav2Vec2FeatureExtractor
    extractor(do_normalize=not sizes.hop_samples).save_pretrained(folder)
    return folder


def save_stages(path: Path, sizes: StemConfig) -> Path:
    """Makes the file of a detector with a stem that has random weights; nothing else is in it."""
    torch.manual_seed(11)
    stem = WhisperStem(sizes)
    states = {name: 0.3 * torch.randn_like(value) for name, value in stem.state_dict().items()}
    save_file({PREFIX + name: value for name, value in states.items()}, path)
    return path
