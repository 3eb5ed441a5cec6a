import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dfd.detector.files.card import CardDefaults, ModelCard, read_card
from dfd.detector.overrides import ModelOverrides
from dfd.detector.spec import Calibration, ErrorRates, FusionSpec, MemberSpec
from dfd.errors import UserError


def card(
    folder: Path,
    content: dict[str, Any] | None = None,
    defaults: CardDefaults | None = None,
    **overrides: Any,
) -> ModelCard:
    if content is not None:
        (folder / "dfd.json").write_text(json.dumps(content))
    return read_card(
        folder,
        name="n",
        version="v",
        sample_rate_hz=16_000,
        defaults=defaults or CardDefaults(),
        overrides=ModelOverrides(**overrides),
    )


def test_defaults(tmp_path: Path) -> None:
    assert card(tmp_path) == ModelCard(
        name="n",
        version="v",
        sample_rate_hz=16_000,
        window_samples=64_000,
        hop_samples=32_000,
        normalize=False,
        padding="zero",
        spoof_label=None,
        calibration=Calibration(1.0, 0.0),
        utterance_score="mean",
        evidence_correlation=0.5,
        rolling_threshold=0.5,
        cumulative_threshold=0.5,
        min_speech_seconds=0.0,
        trained_bandwidth_hz=3_400.0,
    )


def test_everything_can_be_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = {
        "name": "compact",
        "version": "3",
        "sample_rate_hz": 8_000,
        "window_samples": 16_000,
        "hop_samples": 4_000,
        "normalize": True,
        "padding": "mask",
        "spoof_label": "fake",
        "utterance_score": "first",
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
    assert "unknown fields colour are ignored" in caplog.text


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
        ("normalize", "yes"),
        ("padding", "reflect"),
        ("spoof_label", ["fake"]),
        ("spoof_label", True),
        ("utterance_score", "median"),
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
    with pytest.raises(UserError, match=rf"dfd\.json: {key} is .*; it must be "):
        card(tmp_path, {key: value})


def test_the_layout_supplies_what_a_card_does_not_state(tmp_path: Path) -> None:
    defaults = CardDefaults(
        window_seconds=13.0,
        normalize=True,
        padding="mask",
        utterance_score="first",
        threshold=0.9,
        min_speech_seconds=0.5,
    )
    read = card(tmp_path, {"hop_samples": 1_000}, defaults)
    assert (read.window_samples, read.hop_samples) == (208_000, 1_000)
    assert (read.normalize, read.padding, read.utterance_score) == (True, "mask", "first")
    assert (read.rolling_threshold, read.cumulative_threshold) == (0.9, 0.9)
    assert read.min_speech_seconds == 0.5


def test_evidence_adds_up_only_if_calibrated(tmp_path: Path) -> None:
    calibrated = {"calibration": {"scale": 0.8, "offset": 0.1}}
    assert card(tmp_path, calibrated).utterance_score == "evidence"
    assert card(tmp_path, calibrated | {"utterance_score": "mean"}).utterance_score == "mean"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"window_seconds": 2.0}, {"window_samples": 32_000, "hop_samples": 8_000}),
        ({"hop_seconds": 4.0}, {"window_samples": 64_000, "hop_samples": 64_000}),
        (
            {"window_seconds": 1.0, "hop_seconds": 1.0},
            {"window_samples": 16_000, "hop_samples": 16_000},
        ),
        ({"normalize": False}, {"normalize": False}),
        ({"padding": "zero"}, {"padding": "zero"}),
        ({"utterance_score": "mean"}, {"utterance_score": "mean"}),
        ({"spoof_label": "0"}, {"spoof_label": "0"}),
        (
            {"alert_threshold": 0.25},
            {"rolling_threshold": 0.25, "cumulative_threshold": 0.25},
        ),
        ({"min_speech_seconds": 0.0}, {"min_speech_seconds": 0.0}),
    ],
)
def test_the_operators_settings_take_precedence(
    overrides: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    content = {
        "window_samples": 64_000,
        "hop_samples": 16_000,
        "normalize": True,
        "padding": "mask",
        "spoof_label": 1,
        "utterance_score": "first",
        "rolling_threshold": 0.7,
        "cumulative_threshold": 0.9,
        "min_speech_seconds": 0.5,
    }
    read = card(tmp_path, content, **overrides)
    assert {key: getattr(read, key) for key in expected} == expected
    assert read.spoof_label == overrides.get("spoof_label", "1")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"hop_seconds": 5.0}, r"the model's hop is 5 s; use at most its window, 4 s"),
        ({"min_speech_seconds": 5.0}, r"minimum speech of a window is 5 s; use at most the window"),
    ],
)
def test_an_impossible_setting_is_refused(
    overrides: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        card(tmp_path, **overrides)


@pytest.mark.parametrize("scale", [0, -1, "1"])
def test_calibration_keeps_the_direction(scale: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="scale is"):
        card(tmp_path, {"calibration": {"scale": scale}})


def test_error_rates_and_the_card_for_people_are_optional(tmp_path: Path) -> None:
    bare = card(tmp_path)
    assert (bare.error_rates, bare.text) == (None, "")
    rates = {"threshold": 0.8, "false_alarm_rate": 0.01, "miss_rate": 0.2, "seconds": 4}
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    found = card(tmp_path, {"error_rates": rates})
    assert found.error_rates == ErrorRates(0.8, 0.01, 0.2, 4.0)
    assert found.text == "# A model"
    del rates["miss_rate"]
    with pytest.raises(UserError, match="miss_rate"):
        card(tmp_path, {"error_rates": rates})


def test_weights_of_a_fusion(tmp_path: Path) -> None:
    content = {"fusion": {"weights": {"a": 0.5, "b": 0}, "calls_of_people": 20}}
    weights = (MemberSpec("a", 0.5), MemberSpec("b", 0.0))
    assert card(tmp_path, content).fusion == FusionSpec(weights)
    content["fusion"]["threshold"] = 0.9
    assert card(tmp_path, content).fusion == FusionSpec(weights, 0.9)
    assert card(tmp_path, content, alert_threshold=0.7).fusion == FusionSpec(weights, 0.7)


@pytest.mark.parametrize("weights", [{}, {"a": 1.0}, {"a": 0, "b": 0}, {"a": 1.0, "b": -1.0}])
def test_weights_of_zero_are_refused(tmp_path: Path, weights: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must be a"):
        card(tmp_path, {"fusion": {"weights": weights, "threshold": 0.5}})
