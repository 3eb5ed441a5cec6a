import io
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dfd.errors import UserError
from dfd.recordings import (
    Finding,
    FindingKind,
    open_recording,
    open_tracks,
    shown,
)
from tests.recordings.made import RATE, encode, many_channels, noise, tone, two_tracks, wav

FOUND = Path(__file__).with_name("found")


def read(path: Path | str) -> tuple[float, list[Finding]]:
    """Returns the seconds and findings of the first track."""
    recording = open_recording(path)
    reading = recording.read(4000)
    frames = sum(len(block) for block in reading)
    assert reading.seconds == pytest.approx(frames / recording.sample_rate_hz)
    return reading.seconds, reading.findings


def kinds(findings: list[Finding]) -> set[FindingKind]:
    return {finding.kind for finding in findings}


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("ogg", "vorbis"), ("ogg", "libopus"), ("ogg", "flac"), ("mp3", "libmp3lame"),
     ("flac", "flac"), ("aac", "aac")],
)  # fmt: skip
def test_all_links_of_a_chain_are_read(tmp_path: Path, suffix: str, codec: str) -> None:
    first = encode(tmp_path / f"a.{suffix}", codec, tone(2.0)).read_bytes()
    second = encode(tmp_path / f"b.{suffix}", codec, tone(3.0, hertz=880.0)).read_bytes()
    path = tmp_path / f"both.{suffix}"
    path.write_bytes(first + second)
    seconds, findings = read(path)
    assert seconds == pytest.approx(5.0, abs=0.2)
    assert findings == []


def test_links_of_other_codecs_and_rates_are_converted_to_the_first(tmp_path: Path) -> None:
    links = [
        encode(tmp_path / "a.ogg", "vorbis", tone(2.0)),
        encode(tmp_path / "b.ogg", "libopus", tone(1.0, 48_000), rate=48_000),
        encode(tmp_path / "c.ogg", "flac", tone(1.5, 32_000), rate=32_000),
    ]
    path = tmp_path / "all.ogg"
    path.write_bytes(b"".join(link.read_bytes() for link in links))
    reading = open_recording(path).read(RATE)
    samples = np.concatenate(list(reading))
    assert len(samples) / RATE == pytest.approx(4.5, abs=0.05)
    assert kinds(reading.findings) == {FindingKind.CHANGED}
    # the tone keeps its pitch in each link
    for at in (0.5, 2.5, 3.5):
        part = samples[int(at * RATE) : int((at + 0.5) * RATE), 0]
        peak = np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() * 2
        assert peak == pytest.approx(440, abs=4)


def test_each_track_can_be_read(tmp_path: Path) -> None:
    path = two_tracks(tmp_path / "a.mka")
    lengths = []
    for track in open_tracks(path):
        reading = track.read(RATE)
        lengths.append(sum(len(block) for block in reading))
        assert reading.findings == []
    assert lengths == [RATE, 2 * RATE]


def test_a_track_that_is_not_read_is_named(tmp_path: Path) -> None:
    _, findings = read(two_tracks(tmp_path / "a.mka"))
    assert [str(one) for one in findings] == ["left: of 2 audio tracks only the first was read"]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "vorbis"),
     ("ogg", "libopus"), ("mka", "aac"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be")],
)  # fmt: skip
def test_a_truncated_recording_is_reported(tmp_path: Path, suffix: str, codec: str) -> None:
    path = encode(tmp_path / f"a.{suffix}", codec, noise(4.0))
    assert read(path)[1] == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seconds, findings = read(path)
    assert 0.5 < seconds < 3.5
    assert FindingKind.CUT in kinds(findings)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "vorbis"), ("ogg", "libopus"),
     ("m4a", "aac")],
)  # fmt: skip
def test_damage_in_the_middle_is_reported(tmp_path: Path, suffix: str, codec: str) -> None:
    path = encode(tmp_path / f"a.{suffix}", codec, noise(8.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for at in range(middle, middle + 2000):
        content[at] = (at * 7919) & 255
    path.write_bytes(content)
    seconds, findings = read(path)
    assert seconds < 8.0
    assert FindingKind.DAMAGED in kinds(findings)


@pytest.mark.parametrize(
    ("riff", "data"),
    [(0, 0), (None, 0), (0xFFFF_FFFF, 0xFFFF_FFFF), (0x7FFF_FFFF, 0x7FFF_FFDB), (36, 0)],
)
def test_sizes_that_were_never_filled_in(tmp_path: Path, riff: int | None, data: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(2.0), riff, data))
    assert read(path) == (2.0, [])


def test_a_wav_file_that_ends_early_states_its_promised_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(2.0), data=2 * 3 * RATE))
    seconds, (finding,) = read(path)
    assert seconds == 2.0
    assert str(finding) == "cut: the header promises 3.0 s but only 2.0 s are there"


@pytest.mark.parametrize(("rate", "given"), [(96_000, 48_000), (192_000, 48_000), (88_200, 44_100)])
def test_high_rates_are_divided(tmp_path: Path, rate: int, given: int) -> None:
    path = encode(tmp_path / "a.wav", "pcm_s16le", tone(1.0, rate), rate=rate)
    recording = open_recording(path)
    assert recording.sample_rate_hz == given
    samples = np.concatenate(list(recording.read(given)))
    assert len(samples) == pytest.approx(given, abs=2)
    middle = samples[given // 4 : 3 * given // 4, 0].astype(float)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(16384 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("content", [wav(tone(2.0)), wav(tone(2.0), 0, 0)])
def test_a_fifo_is_read_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    recording = open_recording(path)
    reading = recording.read(RATE)
    assert sum(len(block) for block in reading) == 2 * RATE
    assert reading.findings == []
    writer.join()
    with pytest.raises(UserError, match="is a pipe, which can be read only once"):
        recording.read(RATE)


@pytest.mark.parametrize("suffix", ["m4a", "wv"])
def test_what_a_pipe_cannot_carry_is_not_called_damaged(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "m4a":
        encode(path, "aac", noise(9.0))  # more than libav keeps to go back in
    else:
        many_channels(path, np.tile(tone(9.0), (8, 1)))
    assert read(path)[0] == pytest.approx(9.0, abs=0.1)
    pipe = io.BufferedReader(io.BytesIO(path.read_bytes()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
    with pytest.raises(UserError, match=r"pipe.*: name the file itself"):
        list(open_recording("-").read(RATE))


def test_a_truncated_file_through_a_pipe_is_reported(tmp_path: Path) -> None:
    content = wav(tone(2.0), data=2 * 4 * RATE)
    program = "import sys; from dfd.recordings import open_recording\n"
    program += "reading = open_recording(sys.argv[1]).read(8000)\n"
    program += "print(sum(map(len, reading)), *reading.findings)"
    for name in ("-", "/dev/stdin"):
        done = subprocess.run(
            [sys.executable, "-c", program, name], input=content, capture_output=True, check=True
        )
        assert done.stdout.decode().startswith("32000 cut: the header promises 4.0 s")


def test_a_chain_through_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = encode(tmp_path / "a.ogg", "vorbis", tone(2.0)).read_bytes()
    pipe = io.BufferedReader(io.BytesIO(2 * link))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
    seconds, findings = read("-")
    assert seconds == pytest.approx(4.0, abs=0.05)
    assert findings == []


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    Path(os.fsdecode(path)).write_bytes(wav(tone(1.0)))
    recording = open_recording(os.fsdecode(path))
    assert recording.name.endswith("caf\\xe9.wav")
    assert sum(len(block) for block in recording.read(RATE)) == RATE
    assert shown(os.fsdecode(b"/caf\xe9")) == "/caf\\xe9"
    with pytest.raises(UserError, match=r"/caf\\xe9 does not exist"):
        open_recording(os.fsdecode(b"/caf\xe9"))


def test_a_playlist_opens_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone(1.0)))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{tmp_path}/a.wav\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(UserError, match="is not an audio file"):
        open_recording(playlist)


@pytest.mark.parametrize("sized", [True, False])
def test_memory_does_not_grow_with_length(tmp_path: Path, sized: bool) -> None:
    path = tmp_path / "long.wav"
    hour = np.zeros(3600 * RATE, np.int16)
    path.write_bytes(wav(hour) if sized else wav(hour, 0, 0))
    del hour
    program = "import sys, resource; from dfd.recordings import open_recording\n"
    program += "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
    program += "reading = open_recording(sys.argv[1]).read(16000); next(reading); first = peak()\n"
    program += "print(sum(map(len, reading)), peak() - first)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, check=True
    )
    frames, grown = map(int, done.stdout.split())
    assert frames == 3599 * RATE
    assert grown < 20


@pytest.mark.parametrize("channels", [7, 8, 9, 12])
def test_as_many_channels_as_a_frame_has_planes_for_and_more(tmp_path: Path, channels: int) -> None:
    made = np.random.default_rng(1).integers(-9000, 9000, (channels, 4000)).astype(np.int16)
    recording = open_recording(many_channels(tmp_path / "a.wv", made))
    assert recording.channel_count == channels
    read_back = np.concatenate(list(recording.read(1000))).T
    np.testing.assert_array_equal(read_back, made)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.bin")), ids=lambda path: path.stem)
def test_what_fuzzing_found_is_read_or_refused(path: Path) -> None:
    try:
        for track in open_tracks(path):
            assert all(len(block) for block in track.read(RATE))
    except UserError as error:
        said = str(error)
    else:
        said = ""
    assert said.isprintable()


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(5)
    made = [
        encode(tmp_path / f"a.{suffix}", codec, noise(0.5)).read_bytes()
        for suffix, codec in (("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("ogg", "libopus"),
                              ("flac", "flac"), ("mka", "aac"))
    ]  # fmt: skip
    path = tmp_path / "damaged"
    ends: Counter[str] = Counter()
    for _ in range(200):
        damaged = bytearray(rng.choice(made))
        span = rng.choice([64, 512, len(damaged)])
        for _ in range(rng.randrange(1, 12)):
            damaged[rng.randrange(span)] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            reading = open_recording(path).read(RATE)
            ends["read"] += sum(1 for _ in reading) and 1
        except UserError:
            ends["refused"] += 1
    assert ends["read"] > 20
    assert ends["refused"] > 20
