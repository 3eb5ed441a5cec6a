from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cli.detecting import RATE, objects, run, speech, write
from tests.offline.loudness import LoudnessDetector

pytestmark = pytest.mark.usefixtures("loudness")


def test_json_has_the_fields_of_file_based_systems(
    tmp_path: Path, loudness: LoudnessDetector
) -> None:
    path = write(tmp_path / "a.wav", speech(11.0))
    (found,) = objects(path, "--window-scores")
    assert found["file"] == str(path)
    assert found["channel"] == 0
    assert found["utterance_duration_sec"] == pytest.approx(11.0, abs=0.01)
    assert found["threshold_used"] == 0.5
    assert found["n_windows"] == len(found["window_scores"]) == 5
    assert found["window_start_sec"] == [0.0, 2.0, 4.0, 6.0, 8.0]
    mean = float(np.mean(found["window_scores"]))
    assert found["spoof_probability"] == pytest.approx(mean)
    assert found["bonafide_probability"] == pytest.approx(1.0 - mean)
    assert found["confidence"] == pytest.approx(max(mean, 1.0 - mean))
    assert found["prediction"] == ("spoof" if mean >= 0.5 else "bonafide")
    assert found["verdict"] in ("bonafide", "spoof", "inconclusive")
    assert isinstance(found["spoof_llr"], float)
    assert 0.0 < found["cumulative_spoof_probability"] < 1.0
    assert max(loudness.batches) > 1


def test_window_scores_are_only_written_on_request(tmp_path: Path) -> None:
    (found,) = objects(write(tmp_path / "a.wav", speech(5.0)))
    assert "window_scores" not in found


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("evidence", "P: the evidence of all windows; mean P: the mean of the windows' P"),
        ("mean", "P and mean P: the mean of the windows' P"),
        ("first", "P and mean P: the P of the first window, by which the model's authors score"),
    ],
)
def test_the_table_says_how_scores_are_formed(
    rule: str,
    said: str,
    tmp_path: Path,
    loudness: LoudnessDetector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loudness, "spec", replace(loudness.spec, utterance_score=rule))
    result = run(write(tmp_path / "a.wav", speech(9.0)))
    assert said in " ".join(result.stdout.split())


def test_every_channel_is_a_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # long names are folded
    spoken = speech(6.0)
    path = write(tmp_path / "a.wav", np.stack([spoken, 0.02 * spoken], axis=1))
    loud, quiet = objects(path)
    assert (loud["channel"], quiet["channel"]) == (0, 1)
    assert loud["spoof_probability"] > quiet["spoof_probability"] + 0.2
    result = run(path)
    assert "channel" in result.stdout
    assert result.stdout.count("a.wav") == 2


def test_the_threshold_decides_the_prediction(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", speech(6.0))
    predictions = [objects(path, "--threshold", level)[0]["prediction"] for level in (0, 1)]
    assert predictions == ["spoof", "bonafide"]
    result = run(path, "--threshold", "1.5")
    assert result.exit_code == 2
    assert "--threshold" in result.stderr


def test_silence_has_no_score(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(5 * RATE, np.float32))
    (found,) = objects(path, "--window-scores")
    for name in ("spoof_probability", "bonafide_probability", "prediction", "confidence"):
        assert found[name] is None
    assert found["spoof_llr"] is None
    assert found["n_windows"] == 0
    assert found["verdict"] == "inconclusive"
    assert "TOO_LITTLE_SPEECH" in found["reasons"]
    assert "too little speech" in run(path).stdout


def test_the_table_names_both_scores(tmp_path: Path) -> None:
    path = write(tmp_path / "[red]a.wav", speech(6.0))
    result = run(path, "--window-scores")
    assert result.exit_code == 0
    assert "[red]a.wav" in result.stdout
    for word in ("verdict", "mean P", "the evidence of all windows"):
        assert word in result.stdout
    assert "0.00 - 4.00 s" in result.stdout
    assert result.stderr == ""
