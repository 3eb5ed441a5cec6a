"""Each layout at its true width: compiled scores are those of a plain forward pass.

Systems A and C have all of their layers, 95 million parameters. Three layers of XLS-R 300M and of
the base models of other families are enough to see a tensor in the wrong place;
DFD_TEST_TRUE_SIZES=1 builds all of them, up to Wav2Vec2-BERT's 580 million parameters, which takes
some five minutes of processor time and 10 GiB of memory.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector import Detector, ModelOverrides, load_detector
from dfd.detector.signals import probe_signals
from tests.detector.authors import WINDOW, Samples, TopFour, TwoStage, save_transformers, shaken

XLSR: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
    "classifier_proj_size": 256,
    "id2label": {0: "real", 1: "fake"},
    "label2id": {"real": 0, "fake": 1},
}
WHOLE = "DFD_TEST_TRUE_SIZES" in os.environ
DEPTH: dict[str, Any] = {} if WHOLE else {"num_hidden_layers": 3}
RECORDINGS = 4 if WHOLE else 2
_SPREAD = 0.01

# on a machine that is busy with other things
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def _all_threads(_one_thread: None) -> None:
    torch.set_num_threads(os.cpu_count() or 1)


@pytest.fixture(scope="module")
def recordings() -> list[Samples]:
    """Makes recordings of 2.5 to 4 s: noise, a tone, speech-like sound, clicks, and mixtures."""
    signals, _ = probe_signals(WINDOW, 16_000)
    voiced = signals[[0, 1, 2, 3, 4, 6]]
    mixed = [0.5 * (voiced[i] + voiced[i + 1]) for i in (0, 2)]
    lengths = np.linspace(2.5 * 16_000, WINDOW, RECORDINGS).astype(int)
    every = [voiced[0], mixed[0], voiced[5], mixed[1]][:RECORDINGS]
    return [signal[:length] for signal, length in zip(every, lengths, strict=True)]


def scores(detector: Detector, recordings: list[Samples], batch: int) -> NDArray[np.float32]:
    """Returns log-odds of the recordings, in batches of the given size."""
    windows = np.zeros((len(recordings), WINDOW), np.float32)
    for row, samples in zip(windows, recordings, strict=True):
        row[: len(samples)] = samples
    lengths = np.array([len(samples) for samples in recordings], np.int64)
    parts = [
        detector.score(windows[at : at + batch], lengths[at : at + batch])
        for at in range(0, len(recordings), batch)
    ]
    return np.concatenate(parts)


def assert_equal(
    model: Path, plain: Callable[[Samples], torch.Tensor], recordings: list[Samples]
) -> Detector:
    """Compares logits to 1e-3, in batches and singly."""
    logits = torch.stack([plain(samples) for samples in recordings])
    expected = (logits[:, 1] - logits[:, 0]).numpy()
    assert np.ptp(expected) > 0.02, "the recordings have to differ"
    detector = load_detector(
        str(model),
        device="cpu",
        precision="fp32",
        batch_buckets=(1, RECORDINGS),
        warm=False,
        overrides=ModelOverrides(window_seconds=4.0),
    )
    for batch in (RECORDINGS, 1):
        found = scores(detector, recordings, batch)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    return detector


def padded(model: Any) -> Callable[[Samples], torch.Tensor]:
    """Returns the forward pass of a window of 4 s, padded with zeros."""

    def plain(samples: Samples) -> torch.Tensor:
        window = np.zeros(WINDOW, np.float32)
        window[: len(samples)] = samples
        with torch.no_grad():
            logits: torch.Tensor = model(torch.from_numpy(window)[None])[0]
        return logits

    return plain


@pytest.mark.parametrize(("build", "layout"), [(TwoStage, "two-stage"), (TopFour, "top4-mlp")])
def test_systems_a_and_c(
    build: Any, layout: str, recordings: list[Samples], tmp_path: Path
) -> None:
    torch.manual_seed(5)
    model = shaken(build(), _SPREAD)
    model.save(tmp_path / "best.pt")  # and no config.json, since its sizes are known
    detector = assert_equal(tmp_path / "best.pt", padded(model), recordings)
    assert detector.spec.layout == layout


def test_system_b(recordings: list[Samples], tmp_path: Path) -> None:
    if WHOLE and psutil.virtual_memory().available < 8 << 30:
        pytest.skip("two networks of 300 million parameters need 8 GiB of free memory")
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    folder = save_transformers(tmp_path / "model", spread=_SPREAD, **(XLSR | DEPTH))
    load: Any = Wav2Vec2ForSequenceClassification
    model = load.from_pretrained(folder).eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)

    def plain(samples: Samples) -> torch.Tensor:
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            logits: torch.Tensor = model(features.input_values).logits[0]
        return logits

    detector = assert_equal(folder, plain, recordings)
    assert (detector.spec.layout, detector.spec.padding) == ("transformers", "mask")


@pytest.mark.parametrize("name", ["WavLM", "Data2VecAudio", "Wav2Vec2Conformer", "Wav2Vec2Bert"])
def test_other_backbones(name: str, recordings: list[Samples], tmp_path: Path) -> None:
    """transformers' own defaults."""
    if WHOLE and psutil.virtual_memory().available < 10 << 30:
        pytest.skip("two networks of up to 600 million parameters need 10 GiB of free memory")
    import transformers

    labels = {key: XLSR[key] for key in ("id2label", "label2id")}
    config = getattr(transformers, f"{name}Config")(**labels, **DEPTH)
    torch.manual_seed(5)
    model = getattr(transformers, f"{name}ForSequenceClassification")(config).eval()
    model = shaken(model, _SPREAD).eval()
    model.save_pretrained(tmp_path)
    hears: Any = (
        transformers.SeamlessM4TFeatureExtractor
        if name == "Wav2Vec2Bert"
        else transformers.Wav2Vec2FeatureExtractor
    )
    extractor = hears()
    extractor.save_pretrained(tmp_path)

    def plain(samples: Samples) -> torch.Tensor:
        inputs = extractor(samples, sampling_rate=16_000, return_tensors="pt")
        if name != "Wav2Vec2Bert":
            inputs.pop("attention_mask", None)
        with torch.no_grad():
            logits: torch.Tensor = model(**inputs).logits[0]
        return logits

    detector = assert_equal(tmp_path, plain, recordings)
    assert (detector.spec.layout, detector.spec.padding) == ("transformers", "mask")
