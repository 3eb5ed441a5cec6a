import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from dfd.cli.main import cli
from dfd.clients.sources.recording import open_recording
from dfd.detector import Detector, load_detector
from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import backbone_shapes, empty_backbone, read_config
from dfd.detector.signals import probe_signals
from dfd.offline.recording import score_recording
from dfd.streaming.options import AudioFormat, ModelTraits, SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, StreamError, Window, WindowResult, WindowStatus
from tests.offline.loudness import SPEC, LoudnessDetector
from tests.recordings.made import two_tracks

Floats = NDArray[np.float32]
RATE = 16_000


@pytest.fixture(autouse=True)
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LoudnessDetector:
    detector = LoudnessDetector(min_speech_seconds=0.5)
    if "real_detector" not in request.fixturenames:
        monkeypatch.setattr("dfd.detector.load_detector", lambda model, **options: detector)
    return detector


@pytest.fixture
def real_detector() -> None:
    """Asked for by the tests that load a model."""


def speech(seconds: float, rate: int = RATE) -> Floats:
    windows, _ = probe_signals(round(seconds * rate), rate)
    spoken: Floats = windows[2]
    return spoken


def write(path: Path, samples: Floats, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["detect", *map(str, arguments)])


def objects(*arguments: object) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_has_the_fields_of_file_based_systems(tmp_path: Path, fake: LoudnessDetector) -> None:
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
    assert max(fake.batches) > 1


def test_without_being_asked_window_scores_stay_out(tmp_path: Path) -> None:
    (found,) = objects(write(tmp_path / "a.wav", speech(5.0)))
    assert "window_scores" not in found


@pytest.mark.parametrize(
    ("name", "rate", "subtype"),
    [
        ("a.wav", 8_000, "PCM_16"),
        ("a.flac", 44_100, "PCM_24"),
        ("a.wav", 48_000, "FLOAT"),
        ("a.wav", 8_000, "ULAW"),
    ],
)
def test_scores_are_those_of_the_core_in_other_chunks_and_batches(
    name: str, rate: int, subtype: str, tmp_path: Path, fake: LoudnessDetector
) -> None:
    path = write(tmp_path / name, speech(7.3, rate), rate, subtype)
    recording = open_recording(path)
    found = recording.audio_format
    session = StreamSession(
        SessionOptions(AudioFormat(Encoding(found.encoding.value), rate), model=ModelTraits())
    )
    events = [event for chunk in recording.chunks(0.02) for event in session.feed(chunk)]
    expected = []
    for window in [*events, *session.finish()]:
        if not isinstance(window, Window):
            continue
        row = np.zeros((1, SPEC.window_samples), np.float32)
        row[0, : len(window.samples)] = window.samples
        score = float(fake.score(row, np.array([len(window.samples)]))[0])
        status = WindowStatus.SCORED if window.scoreable else WindowStatus.INSUFFICIENT_SPEECH
        expected += [
            event.window_score.spoof_probability
            for event in session.resolve(window, status, score if window.scoreable else None)
            if isinstance(event, WindowResult) and event.window_score and not window.provisional
        ]
    summary = session.summary()[0]
    (got,) = objects(path, "--window-scores")
    assert got["window_scores"] == pytest.approx(expected, abs=1e-6)
    assert got["spoof_probability"] == pytest.approx(summary.mean_spoof_probability, abs=1e-6)
    assert summary.cumulative_score is not None
    assert got["spoof_llr"] == pytest.approx(summary.cumulative_score.spoof_llr, abs=1e-6)


def test_every_channel_is_a_track(tmp_path: Path) -> None:
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


def test_a_short_clip_is_scored_by_its_only_windows(tmp_path: Path) -> None:
    (found,) = objects(write(tmp_path / "a.wav", speech(1.5)), "--window-scores")
    assert found["n_windows"] == 1
    assert found["window_start_sec"] == [0.0]


def test_a_window_without_a_finite_score_does_not_count(
    tmp_path: Path, fake: LoudnessDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fake, "score", lambda windows, lengths: np.full(len(lengths), np.nan, np.float32)
    )
    (found,) = objects(write(tmp_path / "a.wav", speech(6.0)))
    assert (found["n_windows"], found["spoof_probability"]) == (0, None)


def test_the_table_names_both_scores(tmp_path: Path) -> None:
    path = write(tmp_path / "[red]a.wav", speech(6.0))
    result = run(path, "--window-scores")
    assert result.exit_code == 0
    assert "[red]a.wav" in result.stdout
    for word in ("verdict", "mean P", "the evidence of all windows"):
        assert word in result.stdout
    assert "0.00 - 4.00 s" in result.stdout
    assert result.stderr == ""


def test_bad_files_are_one_line_each_and_the_others_are_scored(tmp_path: Path) -> None:
    good = write(tmp_path / "good.wav", speech(5.0))
    empty = tmp_path / "empty.wav"
    empty.touch()
    text = tmp_path / "text.wav"
    text.write_text("no audio here")
    headless = write(tmp_path / "none.wav", np.zeros(0, np.float32))
    missing = tmp_path / "missing.wav"
    result = run(missing, empty, good, text, headless, tmp_path, "--json")
    assert result.exit_code == 2
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [str(good)]
    lines = result.stderr.splitlines()
    assert len(lines) == 5
    for line, path in zip(lines, (missing, empty, text, headless, tmp_path), strict=True):
        assert line.startswith("dfd detect: ")
        assert str(path) in line


def test_audio_that_the_core_refuses_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StreamError("NON_FINITE_SAMPLES", "the audio holds NaN; send finite samples")

    monkeypatch.setattr(StreamSession, "feed", refuse)
    path = write(tmp_path / "a.wav", speech(1.0))
    result = run(path)
    assert result.exit_code == 2
    assert result.stderr == f"dfd detect: {path}: the audio holds NaN; send finite samples\n"


def test_no_file_is_a_usage_error() -> None:
    result = run()
    assert result.exit_code == 2
    assert "FILE" in result.stderr


@pytest.mark.usefixtures("real_detector")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "/no/such/folder"], "there is no model folder or file /no/such/folder"),
        (["--device", "gpu"], '"gpu" is not a device'),
        (["--device", "cuda:99"], "cuda:99 was requested"),
        (["--precision", "int4"], '"int4" is not a precision'),
    ],
)
def test_a_bad_model_is_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    result = run(write(tmp_path / "a.wav", speech(1.0)), *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"dfd detect: {message}")
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny checkpoint with random weights, written without transformers."""
    folder = tmp_path / "model"
    folder.mkdir()
    config = {
        "model_type": "wav2vec2",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "conv_dim": [8, 8],
        "conv_kernel": [400, 3],
        "conv_stride": [160, 2],
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 8,
        "id2label": {"0": "bonafide", "1": "spoof"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text("{}")
    backbone = empty_backbone(read_config(Fields(folder, config)))
    shapes = {"wav2vec2." + name: size for name, size in backbone_shapes(backbone).items()}
    shapes |= {"projector.weight": torch.Size([8, 16]), "projector.bias": torch.Size([8])}
    shapes |= {"classifier.weight": torch.Size([2, 8]), "classifier.bias": torch.Size([2])}
    torch.manual_seed(0)
    tensors = {name: 0.3 * torch.randn(size) for name, size in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.usefixtures("real_detector")
def test_a_real_model_end_to_end(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path / "a.wav", speech(9.0))
    (found,) = objects(path, "--model", model, "--device", "cpu", "--window-scores")
    detector = load_detector(str(model), device="cpu", batch_buckets=(1,), warm=False)
    assert isinstance(detector, Detector)
    recording = open_recording(path)
    audio_format = AudioFormat(Encoding.LINEAR16, recording.audio_format.sample_rate_hz)
    (track,) = score_recording(recording.chunks(1.0), audio_format, detector, keep_windows=True)
    assert found["window_scores"] == pytest.approx(
        [window.spoof_probability for window in track.scored], abs=1e-5
    )


def test_every_link_and_track_is_scored(tmp_path: Path) -> None:
    links = [write(tmp_path / f"{n}.flac", speech(5.0)).read_bytes() for n in range(2)]
    chain = tmp_path / "chain.flac"
    chain.write_bytes(b"".join(links))
    (found,) = objects(chain)
    assert found["utterance_duration_sec"] == pytest.approx(10.0)
    assert (found["whole"], found["findings"]) == (True, [])
    tracks = two_tracks(tmp_path / "two.mka")
    names = [one["file"] for one in objects(tracks)]
    assert names == [f"{tracks}, track 1 of 2", f"{tracks}, track 2 of 2"]


def test_a_recording_that_is_not_whole_is_scored_and_is_status_3(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", speech(8.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole = write(tmp_path / "b.flac", speech(5.0))
    result = run(path, whole, "--json")
    assert result.exit_code == 3
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["whole"], second["whole"]) == (False, True)
    assert any(one.startswith("cut: the header promises 8.0 s") for one in first["findings"])
    assert f"dfd detect: {path}: cut: the header promises 8.0 s" in result.stderr
    assert first["spoof_probability"] is not None


def test_windows_are_not_kept(
    tmp_path: Path, fake: LoudnessDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = fake.score
    alive = []

    def counting(windows: Floats, lengths: NDArray[np.int64]) -> Floats:
        alive.append(sum(type(one) is Window for one in gc.get_objects()))
        return score(windows, lengths)

    monkeypatch.setattr(fake, "score", counting)
    (found,) = objects(write(tmp_path / "a.wav", speech(120.0)))
    assert found["n_windows"] > 50
    assert len(alive) > 15
    assert max(alive) <= 2 * SPEC.batch_buckets[-1] + 2


def test_a_batch_outlives_odd_names_and_an_ascii_terminal(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    samples = write(tmp_path / "caf\u00e9.wav", speech(5.0)).read_bytes()
    Path(os.fsdecode(odd)).write_bytes(samples)
    (tmp_path / "plain.wav").write_bytes(samples)
    (tmp_path / "bad.wav").write_text("no audio")
    names = [odd, *(os.fsencode(tmp_path / n) for n in ("caf\u00e9.wav", "bad.wav", "plain.wav"))]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for more in ([b"--json"], [b"--window-scores"]):
        command = [os.fsencode(sys.executable), b"-m", b"dfd", b"detect", *names, *more]
        done = subprocess.run(command, capture_output=True, env=environment, timeout=240)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        assert b"bad.wav is not an audio file" in b" ".join(done.stderr.split())
        assert b"caf\\xe9.wav" in done.stdout.replace(b"\\\\", b"\\")
        assert b"plain.wav" in done.stdout


# everything read-only, no folder for temporary files among it
_READ_ONLY = """
mount --make-rprivate / || exit 77
for folder in /dev/shm /var/tmp /tmp /; do
    mount --bind $folder $folder && mount -o remount,bind,ro $folder || exit 77
done
cd / && ! touch /tmp/dfd-test 2>/dev/null || exit 77
exec "$@"
"""


def test_a_read_only_root_without_a_temporary_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", speech(5.0))
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing: apt-get install util-linux")
    command = ["unshare", "-m", "sh", "-c", _READ_ONLY, "sh"]
    command += [sys.executable, "-m", "dfd", "detect", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode in (1, 77) and "dfd" not in done.stderr:
        pytest.skip("needs the right to mount")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterance_duration_sec"] == 5.0


def test_a_pipe_is_scored(tmp_path: Path) -> None:
    content = write(tmp_path / "a.wav", speech(5.0)).read_bytes()
    command = [sys.executable, "-m", "dfd", "detect", "-", "--json"]
    done = subprocess.run(command, input=content, capture_output=True, timeout=240)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["file"], found["utterance_duration_sec"]) == ("standard input", 5.0)
