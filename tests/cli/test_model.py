"""The options that name a model and set its properties."""

import json
from pathlib import Path

import pytest

from dfd.cli._model import LAYOUT_NAMES, OVERRIDE_NAMES, serve_arguments
from dfd.daemon.options import ServeOptions
from dfd.detector.overrides import ModelOverrides
from tests.clients.command import dfd, dfd_here
from tests.clients.scripted import ScriptedServer


def test_the_daemon_has_an_option_for_every_property() -> None:
    values = {
        "spoof_label": "fake",
        "window_seconds": 2.0,
        "hop_seconds": 1.0,
        "normalize": False,
        "padding": "zero",
        "utterance_score": "first",
        "alert_threshold": 0.7,
        "min_speech_seconds": 0.0,
        "pooling": "max",
    }
    assert values.keys() == set(OVERRIDE_NAMES)
    assert ServeOptions(**values).overrides == ModelOverrides(**values)  # type: ignore[arg-type]


def test_a_daemon_started_by_a_client_gets_the_properties() -> None:
    values = {
        "spoof_label": "fake",
        "normalize": False,
        "padding": "zero",
        "pooling": "max",
        "utterance_score": None,
    }
    assert values.keys() == set(LAYOUT_NAMES)
    values |= {"watermarks": "perth", "window_seconds": 2.0}
    assert serve_arguments(values) == [
        "--spoof-label=fake",
        "--no-normalize",
        "--padding=zero",
        "--pooling=max",
        "--watermarks=perth",
    ]
    assert values == {"window_seconds": 2.0}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--window-seconds", "0.1", "the model's window is 0.1 s; use 0.25 to 60 s"),
        ("--hop-seconds", "0", "the model's hop is 0.0 s; use more than 0"),
        ("--alert-threshold", "1.5", "the alert threshold is 1.5; use a probability"),
        ("--min-speech-seconds", "-1", "the minimum speech of a window is -1.0 s"),
        ("--padding", "reflect", "--padding"),
        ("--utterance-score", "median", "--utterance-score"),
    ],
)
@pytest.mark.parametrize("verb", ["serve", "info"])
def test_an_impossible_property_is_one_line(
    verb: str, option: str, value: str, message: str
) -> None:
    done = dfd_here(verb, option, value)
    assert done.is_one_line(), done
    assert message in done.err


def test_properties_are_set_when_a_model_is_loaded() -> None:
    done = dfd_here("info", "--spoof-label", "fake")
    assert done.is_one_line(), done
    assert "need --model" in done.err


def test_a_model_is_inspected_without_a_daemon() -> None:
    done = dfd_here("info", "--model", "bundled", "--window-seconds", "2", "--json")
    assert done.status == 0, done
    facts = json.loads(done.out)
    assert (facts["name"], facts["layout"], facts["spoof_label"]) == (
        "bundled",
        "transformers",
        "1 (spoof)",
    )
    assert (facts["window_seconds"], facts["utterance_score"]) == (2.0, "evidence")
    assert facts["parameters"] > 100_000
    shown = dfd_here("info", "--model", "bundled")
    for words in ("4 s every 2 s", "sum of calibrated evidence", "million parameters"):
        assert words in shown.out


def test_a_missing_model() -> None:
    done = dfd_here("info", "--model", "/nowhere/best.pt")
    assert done.is_one_line(), done
    assert "there is no model folder or file /nowhere/best.pt" in done.err


async def test_a_stream_asks_for_every_window(tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    async with ScriptedServer() as server:
        done = await dfd(
            "replay", "--server", server.address, "--speed", "max", "--min-speech-seconds", "0",
            tmp_path / "a.wav",
        )  # fmt: skip
    assert done.status == 0, done
    vad = server.connections[0].config.vad
    assert vad.HasField("min_speech_duration")
    assert vad.min_speech_duration.ToMilliseconds() == 0
