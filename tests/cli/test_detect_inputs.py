import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfd.streaming.session import StreamSession
from dfd.streaming.types import StreamError
from tests.cli.detecting import objects, run, speech, write
from tests.recordings.made import two_tracks

pytestmark = pytest.mark.usefixtures("loudness")


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


def test_a_batch_survives_odd_names_and_an_ascii_terminal(tmp_path: Path) -> None:
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


# everything is read-only, including the folders for temporary files
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
        pytest.skip("mounting a read-only file system needs root")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterance_duration_sec"] == 5.0


def test_a_pipe_is_scored(tmp_path: Path) -> None:
    content = write(tmp_path / "a.wav", speech(5.0)).read_bytes()
    command = [sys.executable, "-m", "dfd", "detect", "-", "--json"]
    done = subprocess.run(command, input=content, capture_output=True, timeout=240)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["file"], found["utterance_duration_sec"]) == ("standard input", 5.0)
