"""Pictures in the docs match the current program and the bundled model."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from dfd.clients.display import verdicts
from dfd.detector.files.bundled import bundled_folder
from tests.e2e.conftest import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_meter", ROOT / "scripts" / "draw-meter.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_meter_is_current(script: ModuleType) -> None:
    drawn = script.draw(script.state_of(script.kept()))
    assert drawn == script.PICTURE.read_text(encoding="utf-8"), "run scripts/draw-meter.py"


def test_the_meter_shows_the_model_that_comes_with_dfd(script: ModuleType) -> None:
    """After a new model: scripts/draw-meter.py --record."""
    card = json.loads((bundled_folder() / "dfd.json").read_text(encoding="utf-8"))
    started = script.kept()[0]["said"]
    model, policy = started["model"], started["effective_config"]["alert_policy"]
    assert (model["name"], model["version"]) == (card["name"], card["version"])
    for name in ("rolling_threshold", "cumulative_threshold"):
        assert policy[name] == pytest.approx(card[name])
    for name in ("threshold", "false_alarm_rate", "miss_rate"):
        assert model["error_rates"][name] == pytest.approx(card["error_rates"][name])
    state = script.state_of(script.kept())
    shown = script.PICTURE.read_text(encoding="utf-8").replace("&#160;", " ")
    assert f"{card['name']} {card['version']}" in shown
    (alert, *_) = state.raised.values()
    assert f"reached {card[f'{alert.trigger}_threshold']:.2f}" in shown
    words = verdicts.so_far(
        state.cumulative.spoof_probability, state.rates, card["cumulative_threshold"]
    )
    assert words in shown


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*.png")), ids=lambda one: one.name)
def test_the_console_s_pictures_show_the_model_that_comes_with_dfd(picture: Path) -> None:
    """After a new model: scripts/draw-console.py RECORDING..."""
    image = pytest.importorskip("PIL.Image", reason="pip install pillow")
    card = json.loads((bundled_folder() / "dfd.json").read_text(encoding="utf-8"))
    with image.open(picture) as opened:
        assert opened.info.get("Description") == f"{card['name']} {card['version']}"
