from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.speech.activity import SpeechProfile


def with_hangover(flags: list[bool], hangover: int) -> list[bool]:
    return [any(flags[max(0, i - hangover) : i + 1]) for i in range(len(flags))]


@given(
    flags=st.lists(st.booleans(), min_size=1, max_size=60),
    hangover=st.integers(0, 4),
    data=st.data(),
)
def test_speech_of_any_range_is_counted(
    flags: list[bool], hangover: int, data: st.DataObject
) -> None:
    profile = SpeechProfile(frame_samples=10, hangover_frames=hangover, capacity_frames=60)
    expected = with_hangover(flags, hangover)
    previous = False
    for flag, active in zip(flags, expected, strict=True):
        assert profile.append(speech=flag) is (active != previous)
        assert profile.active is active
        previous = active
    samples = [active for active in expected for _ in range(10)]
    start = data.draw(st.integers(0, len(samples) - 1))
    end = data.draw(st.integers(start + 1, len(samples)))
    assert profile.speech_samples(start, end) == sum(samples[start:end])
    assert profile.total_samples == sum(samples)
    assert profile.end == len(samples)


def test_old_frames_are_overwritten() -> None:
    profile = SpeechProfile(frame_samples=10, hangover_frames=0, capacity_frames=3)
    for flag in (True, True, False, True):
        profile.append(speech=flag)
    assert profile.speech_samples(10, 40) == 20


def test_cut_ends_the_hangover() -> None:
    profile = SpeechProfile(frame_samples=10, hangover_frames=5, capacity_frames=9)
    profile.append(speech=True)
    profile.cut()
    assert profile.append(speech=False)
    assert not profile.active


def test_a_jump_continues_in_silence() -> None:
    profile = SpeechProfile(frame_samples=10, hangover_frames=5, capacity_frames=9)
    profile.append(speech=True)
    profile.jump(1_000)
    assert profile.end == 10_000
    assert not profile.active
    assert profile.speech_samples(9_950, 10_000) == 0
    assert profile.speech_samples(10_000, 10_050) == 0
