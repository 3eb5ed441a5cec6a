import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dfd.detector.card import ModelCard, read_card
from dfd.detector.errors import DetectorError
from dfd.detector.spec import Calibration


def card(folder: Path, content: dict[str, Any] | None = None) -> ModelCard:
    if content is not None:
        (folder / "dfd.json").write_text(json.dumps(content))
    return read_card(folder, name="n", version="v", sample_rate_hz=16_000, padding="mask")


def test_defaults(tmp_path: Path) -> None:
    assert card(tmp_path) == ModelCard(
        name="n",
        version="v",
        sample_rate_hz=16_000,
        window_samples=64_000,
        hop_samples=32_000,
        padding="mask",
        calibration=Calibration(1.0, 0.0),
        evidence_correlation=0.5,
        rolling_threshold=0.8,
        cumulative_threshold=0.8,
        min_speech_seconds=0.5,
        trained_bandwidth_hz=3_400.0,
    )


def test_everything_can_be_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = {
        "name": "compact",
        "version": "3",
        "sample_rate_hz": 8_000,
        "window_samples": 16_000,
        "hop_samples": 4_000,
        "padding": "zero",
        "calibration": {"scale": 2, "offset": -0.5},
        "evidence_correlation": 0.25,
        "rolling_threshold": 0.7,
        "cumulative_threshold": 0.9,
        "min_speech_seconds": 1,
        "trained_bandwidth_hz": 4_000,
    }
    read = card(tmp_path, content)
    for key, value in content.items():
        if key != "calibration":
            assert getattr(read, key) == value
    assert read.calibration == Calibration(2.0, -0.5)
    with caplog.at_level(logging.INFO, "dfd.detector"):
        card(tmp_path, content | {"colour": "blue"})
    assert "colour not known here and ignored" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 3),
        ("sample_rate_hz", 44_100.5),
        ("sample_rate_hz", 4_000),
        ("window_samples", 100),
        ("window_samples", True),
        ("hop_samples", 0),
        ("hop_samples", 64_001),
        ("padding", "reflect"),
        ("calibration", [1, 0]),
        ("evidence_correlation", 1.5),
        ("rolling_threshold", 0),
        ("cumulative_threshold", "high"),
        ("min_speech_seconds", 5),
        ("trained_bandwidth_hz", -1),
        ("trained_bandwidth_hz", float("nan")),
    ],
)
def test_a_wrong_field_is_named(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=rf"dfd\.json: {key} is .*; it has to be "):
        card(tmp_path, {key: value})


@pytest.mark.parametrize("scale", [0, -1, "1"])
def test_calibration_keeps_the_direction(scale: object, tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="scale is"):
        card(tmp_path, {"calibration": {"scale": scale}})
