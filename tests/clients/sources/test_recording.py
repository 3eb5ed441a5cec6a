import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.sources.recording import open_recording, open_recordings
from dfd.errors import UserError
from tests.recordings.made import two_tracks


def tone(rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    wave = 0.5 * np.sin(2 * np.pi * 440 * time)
    return np.stack([wave * (k + 1) / channels for k in range(channels)], axis=1)


@pytest.mark.parametrize(
    ("suffix", "subtype", "encoding"),
    [
        ("wav", "PCM_16", "linear16"),
        ("wav", "PCM_U8", "linear16"),
        ("wav", "ULAW", "linear16"),
        ("wav", "ALAW", "linear16"),
        ("wav", "GSM610", "linear16"),
        ("flac", "PCM_16", "linear16"),
        ("flac", "PCM_24", "float32"),
        ("wav", "PCM_24", "float32"),
        ("wav", "FLOAT", "float32"),
        ("wav", "DOUBLE", "float32"),
        ("ogg", "VORBIS", "float32"),
        ("mp3", "MPEG_LAYER_III", "float32"),
    ],
)
def test_nothing_is_lost(tmp_path: Path, suffix: str, subtype: str, encoding: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(16000, 0.7), 16000, subtype=subtype)
    recording = open_recording(path)
    assert recording.audio_format.encoding == encoding
    assert recording.audio_format.sample_rate_hz == 16000
    read = b"".join(recording.chunks(0.1))
    dtype = "<i2" if encoding == "linear16" else "<f4"
    samples = np.frombuffer(read, dtype).astype(np.float64)
    if encoding == "linear16":
        samples /= 32768
    expected, _ = soundfile.read(path, dtype="float64")
    # decoders round differently, and differ about the padding of a codec's last block
    lossy = suffix in ("ogg", "mp3") or subtype == "GSM610"
    assert abs(len(samples) - len(expected)) <= (320 if lossy else 0)
    assert recording.seconds == pytest.approx(0.7, abs=0.01)
    count = 11_000 if lossy else len(expected)
    np.testing.assert_allclose(samples[:count], expected[:count], atol=1e-4 if lossy else 1e-7)


@settings(max_examples=30)
@given(
    channels=st.integers(1, 8),
    rate=st.sampled_from([8000, 11025, 16000, 44100, 48000]),
    frames=st.integers(1, 3000),
    chunk_seconds=st.floats(1e-6, 0.5),
)
def test_chunks_are_whole_frames_and_complete(
    tmp_path_factory: pytest.TempPathFactory,
    channels: int,
    rate: int,
    frames: int,
    chunk_seconds: float,
) -> None:
    path = tmp_path_factory.mktemp("chunks") / "a.wav"
    samples = np.arange(frames * channels, dtype=np.int16).reshape(frames, channels)
    soundfile.write(path, samples, rate)
    recording = open_recording(path)
    assert recording.audio_format == AudioFormat(Encoding.LINEAR16, rate, channels)
    chunks = list(recording.chunks(chunk_seconds))
    size = max(1, round(chunk_seconds * rate)) * recording.audio_format.bytes_per_frame
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert 0 < len(chunks[-1]) <= size
    assert b"".join(chunks) == samples.tobytes()
    assert b"".join(recording.chunks(chunk_seconds)) == samples.tobytes()  # and again


def test_each_track_is_a_recording(tmp_path: Path) -> None:
    path = two_tracks(tmp_path / "a.mka")
    first, second = open_recordings(path)
    assert (first.name, second.name) == (f"{path}, track 1 of 2", f"{path}, track 2 of 2")
    chunks = second.chunks(1.0)
    assert len(b"".join(chunks)) == 2 * 32000
    assert chunks.findings == []
    chunks = open_recording(path).chunks(1.0)
    assert len(b"".join(chunks)) == 2 * 16000
    assert [str(one) for one in chunks.findings] == [
        "left: of 2 audio tracks only the first was read"
    ]


def write_text(path: Path) -> None:
    path.write_text("this is not audio")


def write_nothing(path: Path) -> None:
    path.touch()


def write_header_only(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 1)), 16000)


def write_low_rate(path: Path) -> None:
    soundfile.write(path, tone(4000, 0.5), 4000)


def write_many_channels(path: Path) -> None:
    soundfile.write(path, tone(16000, 0.1, 9), 16000)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "does not exist"),
        (Path.mkdir, "is a folder"),
        (write_nothing, "is empty"),
        (write_header_only, "holds no audio"),
        (write_text, "not an audio file"),
        (write_low_rate, "4000 Hz, too low for speech"),
        (write_many_channels, "9 channels"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, write: object, message: str) -> None:
    path = tmp_path / "a.wav"
    assert callable(write)
    write(path)
    with pytest.raises(UserError, match=message) as caught:
        open_recording(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Drops root's rights for the block, since root can read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_a_file_without_read_permission(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000, 0.1), 16000)
    path.chmod(0)
    request.getfixturevalue("nobody")
    with pytest.raises(UserError, match="Permission denied"):
        open_recording(path)


def test_infinite_samples_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([0.0, np.inf, 0.0], np.float32), 16000, subtype="FLOAT")
    with pytest.raises(UserError, match="NaN or infinite"):
        list(open_recording(path).chunks(1.0))
