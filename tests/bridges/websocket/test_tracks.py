import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import CallAudio
from dfd.bridges.websocket.tracks import Tracks
from dfd.clients.audio import AudioFormat, Encoding

STEREO = AudioFormat(Encoding.MULAW, 8000, 2)


def joined(audio: list[CallAudio]) -> bytes:
    """Returns the channels on the time line, with '__' for gaps."""
    return b"".join(b"__" * one.gap_frames + one.content for one in audio)


def test_two_tracks_are_interleaved() -> None:
    tracks = Tracks(STEREO)
    assert tracks.push(0, b"aaaa") == []
    assert joined(tracks.push(1, b"bb")) == b"abab"
    assert joined(tracks.push(1, b"bb")) == b"abab"


def test_a_track_that_falls_behind_is_filled_with_silence() -> None:
    tracks = Tracks(STEREO, skew_seconds=2 / 8000)
    (audio,) = tracks.push(0, b"aaaaa")
    assert audio.content == b"a\xffa\xffa\xff"
    assert audio.filled_frames == 3
    assert joined(tracks.push(1, b"bbbbb")) == b"abab"
    assert tracks.late_frames == 3


def test_late_audio_is_dropped() -> None:
    tracks = Tracks(STEREO, skew_seconds=0.0)
    assert joined(tracks.push(0, b"aaaa")) == b"a\xff" * 4
    assert joined(tracks.push(1, b"bbbbbb", position=0)) == b"\xffb" * 2
    assert tracks.late_frames == 4


def test_there_is_a_gap_if_no_track_has_audio() -> None:
    tracks = Tracks(STEREO)
    tracks.push(0, b"a", position=0)
    tracks.push(1, b"b", position=0)
    tracks.push(0, b"aa", position=4)
    assert joined(tracks.push(1, b"bb", position=4)) == b"__" * 3 + b"abab"


def test_a_gap_is_kept_until_audio_follows() -> None:
    tracks = Tracks(STEREO, skew_seconds=2 / 8000)
    assert tracks.push(0, b"aa", position=6) == []
    assert joined(tracks.push(1, b"bb", position=6)) == b"__" * 6 + b"abab"


def test_flush_releases_the_audio_of_a_track_that_is_ahead() -> None:
    tracks = Tracks(STEREO)
    tracks.push(0, b"aa")
    assert joined(tracks.flush()) == b"a\xffa\xff"


pieces = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(1, 9)), min_size=1, max_size=40
)


@given(pieces, st.integers(0, 30))
def test_every_sample_is_at_its_position(sent: list[tuple[int, int, int]], skew: int) -> None:
    """Compared with a plain array: each frame has each track's own sample, silence or a gap."""
    tracks = Tracks(STEREO, skew_seconds=skew / 8000)
    expected = np.zeros((2, 1000), np.uint8)
    ends = [0, 0]
    given_audio: list[CallAudio] = []
    for number, (track, gap, count) in enumerate(sent):
        ends[track] = max(ends[track] + gap, 0)
        start = max(ends[track], tracks.end_of(track)) if gap == 0 else ends[track]
        content = bytes([1 + number]) * count
        before = tracks.late_frames
        given_audio += tracks.push(track, content, position=start)
        late = tracks.late_frames - before
        expected[track, start + late : start + count] = 1 + number
        ends[track] = start + count
    given_audio += tracks.flush()
    line = joined(given_audio)
    assert len(line) == 2 * max(ends[0], ends[1], tracks.end_of(0), tracks.end_of(1))
    heard = np.frombuffer(line, np.uint8).reshape(-1, 2)
    for frame, samples in enumerate(heard):
        here = expected[:, frame]
        if not here.any():
            assert samples.tolist() in ([95, 95], [255, 255])
        else:
            assert [int(one) or 255 for one in here] == samples.tolist()


def test_sixteen_bits() -> None:
    tracks = Tracks(AudioFormat(Encoding.LINEAR16, 16000, 2))
    tracks.push(0, b"AaBb")
    assert joined(tracks.push(1, b"CcDd")) == b"AaCcBbDd"
