import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector import Calibration, Detector, ModelOverrides, load_detector
from dfd.detector.files.bundled import bundled_folder
from dfd.errors import UserError

from .conftest import BUCKETS, CARD, WINDOW, MakeFolder
from .reference import LENGTHS, transformers_log_odds

SPOOF_FIRST = {"id2label": {0: "Fake", 1: "Real"}, "label2id": {"Fake": 0, "Real": 1}}
LAYER = {"feat_extract_norm": "layer", "conv_bias": True}
STABLE = {**LAYER, "do_stable_layer_norm": True}
FAMILY: dict[str, dict[str, Any]] = {
    "group": {"feat_extract_norm": "group"},
    "group-stable": {"feat_extract_norm": "group", "do_stable_layer_norm": True},
    "layer": LAYER,
    "layer-stable": STABLE,
    "layer-weighted": {**LAYER, "use_weighted_layer_sum": True},
    "stable-weighted": {**STABLE, "use_weighted_layer_sum": True},
    "spoof-first": {**LAYER, **SPOOF_FIRST},
    "odd-position-kernel": {**LAYER, "num_conv_pos_embeddings": 15},
    "raw": {**LAYER, "do_normalize": False},
    "loose-epsilon": {**LAYER, "layer_norm_eps": 1e-2},
    "hubert": {"model_type": "hubert", "feat_extract_norm": "group"},
    "hubert-stable": {"model_type": "hubert", **STABLE, "use_weighted_layer_sum": True},
    "unispeech-sat": {"model_type": "unispeech-sat", **STABLE},
}


def load(folder: Path, **options: Any) -> Detector:
    defaults: dict[str, Any] = {"batch_buckets": BUCKETS, "warm": False, "precision": "fp32"}
    return load_detector(str(folder), **(defaults | options))


@pytest.mark.parametrize("name", FAMILY)
def test_scores_are_those_of_transformers(
    name: str, make_folder: MakeFolder, windows: NDArray[np.float32]
) -> None:
    folder = make_folder(**FAMILY[name])
    detector = load(folder)
    assert detector.spec.padding == "mask"
    expected = transformers_log_odds(
        folder, windows, LENGTHS, mask=True, spoof=0 if name == "spoof-first" else 1
    )
    lengths = np.array(LENGTHS, np.int64)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(detector.score(windows, lengths), expected, atol=1e-4)
    singly = [detector.score(windows[i : i + 1], lengths[i : i + 1])[0] for i in range(7)]
    np.testing.assert_allclose(singly, expected, atol=1e-4)


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("padding", ["mask", "zero"])
def test_the_card_decides_on_padding(
    norm: str, padding: str, make_folder: MakeFolder, windows: NDArray[np.float32]
) -> None:
    folder = make_folder({**CARD, "padding": padding}, feat_extract_norm=norm, conv_bias=True)
    expected = transformers_log_odds(folder, windows, LENGTHS, mask=padding == "mask")
    scores = load(folder).score(windows, np.array(LENGTHS, np.int64))
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_samples_beyond_the_length_are_not_read(folder: Path, windows: NDArray[np.float32]) -> None:
    detector = load(folder)
    lengths = np.array(LENGTHS, np.int64)
    spoiled = windows.copy()
    for row, length in zip(spoiled, LENGTHS, strict=True):
        row[length:] = np.nan
    np.testing.assert_array_equal(
        detector.score(spoiled, lengths), detector.score(windows, lengths)
    )


def test_calibration_is_affine_and_named_in_the_spec(
    make_folder: MakeFolder, windows: NDArray[np.float32]
) -> None:
    lengths = np.array(LENGTHS, np.int64)
    raw = load(make_folder()).score(windows, lengths)
    calibrated = load(make_folder({**CARD, "calibration": {"scale": 0.5, "offset": -1.25}}))
    assert calibrated.spec.calibration == Calibration(0.5, -1.25)
    scores = calibrated.score(windows, lengths)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, 0.5 * raw - 1.25, atol=1e-5)


def test_the_spec_describes_what_was_loaded(folder: Path) -> None:
    spec = load(folder, device="cpu", precision="fp32", batch_buckets=(4, 1, 1)).spec
    assert (spec.device, spec.precision, spec.engine) == ("cpu", "fp32", "torchscript")
    assert spec.batch_buckets == (1, 4)
    assert spec.name == folder.name
    assert len(spec.weights_sha256) == 64
    assert spec.version == spec.weights_sha256[:12]
    assert (spec.sample_rate_hz, spec.window_samples, spec.hop_samples) == (16_000, 4_000, 2_000)


def test_without_a_card_a_clip_is_scored_whole(make_folder: MakeFolder) -> None:
    detector = load(make_folder(None))
    spec = detector.spec
    assert (spec.window_samples, spec.hop_samples) == (208_000, 104_000)
    assert (spec.padding, spec.utterance_score, spec.min_speech_seconds) == ("mask", "mean", 0.0)
    assert (spec.rolling_threshold, spec.cumulative_threshold) == (0.5, 0.5)
    assert spec.calibration == Calibration()
    assert detector.score(np.zeros((1, 208_000), np.float32), np.array([208_000])).shape == (1,)


def test_the_operators_settings_reach_the_network(
    make_folder: MakeFolder, windows: NDArray[np.float32]
) -> None:
    labels = {"id2label": {0: "A", 1: "B"}, "label2id": {"A": 0, "B": 1}}
    folder = make_folder(do_normalize=False, **LAYER, **labels)
    with pytest.raises(UserError, match="--spoof-label"):
        load(folder)
    said = ModelOverrides(spoof_label="a", normalize=True, window_seconds=0.25, hop_seconds=0.1)
    detector = load(folder, overrides=said)
    assert (detector.spec.spoof_label, detector.spec.normalize) == ("0 (A)", True)
    assert (detector.spec.window_samples, detector.spec.hop_samples) == (4_000, 1_600)
    same = make_folder(do_normalize=True, **LAYER)
    expected = -transformers_log_odds(same, windows, LENGTHS, mask=True)
    scores = detector.score(windows, np.array(LENGTHS, np.int64))
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_no_windows_no_scores(folder: Path) -> None:
    scores = load(folder).score(np.zeros((0, WINDOW), np.float32), np.zeros(0, np.int64))
    assert scores.shape == (0,)


@pytest.mark.parametrize("padding", ["mask", "zero"])
def test_one_sample_silence_and_full_scale_are_scored(
    padding: str, make_folder: MakeFolder
) -> None:
    detector = load(make_folder({**CARD, "padding": padding}, **LAYER))
    windows = np.zeros((3, WINDOW), np.float32)
    windows[0, 0] = 1.0
    windows[2] = np.where(np.arange(WINDOW) % 2, 1.0, -1.0)
    scores = detector.score(windows, np.array([1, WINDOW, WINDOW]))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("shape", "lengths"),
    [
        ((2, WINDOW - 1), [1, 1]),
        ((2, WINDOW), [1]),
        ((1, WINDOW), [0]),
        ((1, WINDOW), [WINDOW + 1]),
    ],
)
def test_wrong_shapes_are_refused(shape: tuple[int, int], lengths: list[int], folder: Path) -> None:
    with pytest.raises(ValueError, match=r"must be|are not"):
        load(folder).score(np.zeros(shape, np.float32), np.array(lengths, np.int64))


def test_a_window_without_a_finite_score_is_nan_alone(
    folder: Path, windows: NDArray[np.float32]
) -> None:
    detector = load(folder)
    lengths = np.full(2, WINDOW, np.int64)
    good = detector.score(windows[:2], lengths)
    spoiled = windows[:2].copy()
    spoiled[1, 0] = np.inf
    scores = detector.score(spoiled, lengths)
    assert np.isnan(scores[1])
    np.testing.assert_allclose(scores[0], good[0], atol=1e-5)


def test_warm_runs_every_bucket_whole_and_short(folder: Path) -> None:
    detector = load(folder)
    seen = set()
    compiled = detector._compiled

    def watch(windows: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        seen.add((len(windows), lengths is None))
        return compiled(windows, lengths)

    detector._compiled = watch
    detector.warm()
    assert seen == {(bucket, whole) for bucket in BUCKETS for whole in (True, False)}


def test_threads_may_share_a_detector(folder: Path, windows: NDArray[np.float32]) -> None:
    detector = load(folder)
    lengths = np.array(LENGTHS, np.int64)
    expected = detector.score(windows, lengths)
    found: list[NDArray[np.float32]] = []

    def work() -> None:
        found.extend(detector.score(windows, lengths) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 9
    for scores in found:
        np.testing.assert_array_equal(scores, expected)


def test_a_daemons_small_network_leaves_cores_to_its_streams(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        load(folder, threads=2, beside_streams=True)
        assert torch.get_num_threads() == 2
        load(folder, beside_streams=True)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_threads_are_set_and_checked(folder: Path) -> None:
    load(folder, threads=2)
    assert torch.get_num_threads() == 2
    with pytest.raises(UserError, match="use 1 or more"):
        load(folder, threads=0)


def test_another_engine_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match='"quick" is not an engine: use auto, torchscript'):
        load(folder, engine="quick")


def test_torch_and_transformers_are_imported_only_when_needed() -> None:
    code = (
        "import sys, dfd.detector, dfd.detector.spec, dfd.errors\n"
        "assert 'torch' not in sys.modules\n"
        "dfd.detector.load_detector\n"
        "assert 'torch' in sys.modules and 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_has_no_other_names() -> None:
    import dfd.detector

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dfd.detector.nothing  # noqa: B018


def test_bundled_weights_score() -> None:
    detector = load_detector(batch_buckets=(1, 2), warm=False)
    spec = detector.spec
    card = json.loads((bundled_folder() / "dfd.json").read_text())
    assert (spec.name, spec.version) == (card["name"], card["version"])
    windows = np.zeros((2, spec.window_samples), np.float32)
    windows[1] = 0.1 * np.random.default_rng(0).standard_normal(spec.window_samples)
    lengths = np.array([spec.window_samples, spec.window_samples // 2])
    assert np.isfinite(detector.score(windows, lengths)).all()


def test_batches_that_do_not_fit_into_memory_are_dropped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    detector = load_detector(
        str(folder), device="cpu", precision="fp32", batch_buckets=(1, 2, 4), warm=False
    )
    compiled, most = detector._compiled, 2

    def cramped(windows: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        if len(windows) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return compiled(windows, lengths)

    monkeypatch.setattr(detector, "_compiled", cramped)
    detector.warm()
    assert detector.spec.batch_buckets == (1, 2)
    assert "too little free memory for a batch of 4: batches are limited to 2" in caplog.text
    scores = detector.score(np.zeros((5, WINDOW), np.float32), np.full(5, WINDOW, np.int64))
    assert scores.shape == (5,)
    most = 0
    with pytest.raises(UserError, match="cpu has too little free memory for a batch of 1: stop"):
        detector.warm()
