import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.daemon.journal.clipfolder import ClipFolder
from dfd.daemon.journal.clips import CallClips, Clip
from dfd.errors import UserError
from dfd.streaming.types import Alert, Score, Trigger, Window

RATE = 1000
RAMP = (np.arange(60 * RATE) / (60 * RATE)).astype(np.float32)


def window(start: float, end: float, channel: int = 0) -> Window:
    first, last = round(start * RATE), round(end * RATE)
    return Window(
        channel, 0, first, last, RATE, RAMP[first:last], end - start, 0.0, False, False, True
    )


def alert(at: float, *, cleared: bool = False, channel: int = 0) -> Alert:
    return Alert(Trigger.ROLLING, channel, at, Score(2.0, 3.0), 0.8, cleared)


def seconds_of(clip: Clip) -> tuple[float, float]:
    """Returns start and end of a clip on the time line, from its samples."""
    steps = np.diff(clip.samples)
    assert (steps >= 0).all()  # no sample twice, none out of order
    return clip.samples[0] / 32767 * 60, clip.samples[-1] / 32767 * 60


def test_a_clip_has_the_audio_before_and_after_the_alert(tmp_path: Path) -> None:
    made: list[Clip] = []
    clips = CallClips(tmp_path, made.append)
    for start in range(0, 18, 2):
        clips.window(window(start, start + 4))
    path = clips.alert("call/7", alert(20.0))
    assert clips.alert("call/7", alert(20.0)) == path  # one clip for simultaneous alerts
    assert made == []
    for start in range(18, 30, 2):
        clips.window(window(start, start + 4))
    (clip,) = made
    assert str(clip.path) == path
    assert clip.path.parent == tmp_path
    assert clip.path.name.endswith(".flac")
    assert "-call_7-channel0-20s-" in clip.path.name
    assert seconds_of(clip) == pytest.approx((12.0, 24.0), abs=0.02)


def test_an_alert_near_the_start_or_the_end(tmp_path: Path) -> None:
    made: list[Clip] = []
    clips = CallClips(tmp_path, made.append)
    clips.window(window(0, 1.0))
    clips.window(window(0, 2.0))
    assert clips.alert("s", alert(2.0)) is not None
    clips.window(window(0, 4.0))
    clips.close()
    (clip,) = made
    assert seconds_of(clip) == pytest.approx((0.0, 4.0), abs=0.01)


def test_clearings_and_other_channels_make_no_clip(tmp_path: Path) -> None:
    made: list[Clip] = []
    clips = CallClips(tmp_path, made.append)
    clips.window(window(0, 4.0))
    assert clips.alert("s", alert(4.0, cleared=True)) is None
    assert clips.alert("s", alert(4.0, channel=1)) is None
    clips.close()
    assert made == []


def test_held_audio_is_bounded(tmp_path: Path) -> None:
    clips = CallClips(tmp_path, lambda clip: None)
    for start in range(0, 56, 2):
        clips.window(window(start, start + 4))
    assert clips._channels[0].count <= 12 * RATE


def clip_at(folder: Path, name: str, seconds: float = 1.0) -> Clip:
    noise = np.random.default_rng(1).integers(-9000, 9000, round(16_000 * seconds))
    return Clip(folder / name, noise.astype(np.int16), 16_000)


def test_clips_are_flac_and_readable_only_by_their_owner(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path / "clips", 30, 1 << 30)
    clip = clip_at(tmp_path / "clips", "a.flac")
    folder._put(clip)
    folder.close()
    samples, rate = soundfile.read(clip.path, dtype="int16")
    assert (samples == clip.samples).all()
    assert rate == 16_000
    assert stat.S_IMODE(clip.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(clip.path.parent.stat().st_mode) == 0o700
    assert list(tmp_path.glob("clips/*")) == [clip.path]


def test_old_or_excess_clips_are_deleted(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", 40), ("a", 3), ("b", 2), ("c", 1)):
        path = tmp_path / f"{name}.flac"
        path.write_bytes(bytes(1000))
        os.utime(path, (now - age * 86_400, now - age * 86_400))
    (tmp_path / "mine.txt").write_bytes(bytes(5000))
    folder = ClipFolder(tmp_path, 30, 2500)
    folder.close()
    folder.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.flac", "c.flac", "mine.txt"]


def test_an_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"evidence clips cannot be written to .*: File exists"):
        ClipFolder(tmp_path / "file", 30, 1 << 30)
