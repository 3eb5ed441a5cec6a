import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.detector import Detector, load_detector
from dfd.detector import precision as precisions
from dfd.errors import UserError

from .conftest import BUCKETS, MakeFolder
from .reference import LENGTHS


def load(folder: Path, **options: Any) -> Detector:
    defaults: dict[str, Any] = {"batch_buckets": BUCKETS, "warm": False, "precision": "fp32"}
    return load_detector(str(folder), **(defaults | options))


class TestPrecision:
    """bf16 works on any CPU, although slowly, which is enough to test how its scores are used."""

    @pytest.fixture(autouse=True)
    def _offers_bf16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(precisions, "fast_precisions", lambda device: ("bf16",))

    def test_auto_takes_a_half_precision_that_agrees(
        self, folder: Path, windows: NDArray[np.float32], caplog: pytest.LogCaptureFixture
    ) -> None:
        lengths = np.array(LENGTHS, np.int64)
        expected = load(folder, precision="fp32").score(windows, lengths)
        with caplog.at_level(logging.INFO, "dfd.detector"):
            detector = load(folder, precision="auto", tolerance=0.2)
        assert detector.spec.precision == "bf16"
        assert "bf16: largest difference in probability from fp32 is 0." in caplog.text
        scores = detector.score(windows, lengths)
        np.testing.assert_allclose(scores, expected, atol=0.5)
        assert not np.array_equal(scores, expected)

    def test_auto_falls_back_if_scores_differ(
        self, folder: Path, windows: NDArray[np.float32], caplog: pytest.LogCaptureFixture
    ) -> None:
        lengths = np.array(LENGTHS, np.int64)
        expected = load(folder, precision="fp32").score(windows, lengths)
        detector = load(folder, precision="auto", tolerance=1e-7)
        assert detector.spec.precision == "fp32"
        (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
        assert "more than 0.0000: not used" in warning.getMessage()
        np.testing.assert_array_equal(detector.score(windows, lengths), expected)

    def test_auto_falls_back_if_activations_overflow(
        self,
        make_folder: MakeFolder,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(precisions, "fast_precisions", lambda device: ("fp16",))
        folder = overflowing(make_folder)
        assert load(folder, precision="auto").spec.precision == "fp32"
        assert "fp16 differs from fp32 by up to nan" in caplog.text
        with pytest.raises(UserError, match="fp16 gives no finite score with this model"):
            load(folder, precision="fp16")

    def test_a_requested_precision_is_kept_with_a_warning(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        detector = load(folder, precision="bf16", tolerance=1e-7)
        assert detector.spec.precision == "bf16"
        assert "it was requested and is kept" in caplog.text


def overflowing(make_folder: MakeFolder) -> Path:
    """A model that works in float32, but whose activations overflow in fp16."""
    from safetensors.torch import load_file, save_file

    folder = make_folder(feat_extract_norm="layer", conv_bias=True)
    tensors = load_file(folder / "model.safetensors")
    tensors["wav2vec2.encoder.layers.0.feed_forward.output_dense.bias"].fill_(1e5)
    tensors["wav2vec2.encoder.layers.0.feed_forward.output_dense.bias"][::2] = -1e5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
