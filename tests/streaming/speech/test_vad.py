import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.streaming.options import VadEngine, VadOptions
from dfd.streaming.speech.vad import Vad, WebRtcVad, make_vad, pcm16
from tests.streaming.helpers import silence, speech_like

_NO_SILERO = "no network for Silero's detector: pip install 'dfd[silero]'"


def engines() -> list[VadEngine]:
    try:
        make_vad(VadOptions(engine=VadEngine.SILERO), 16_000)
    except ModuleNotFoundError:
        return [VadEngine.WEBRTC]
    return list(VadEngine)


@pytest.fixture(params=VadEngine)
def vad(request: pytest.FixtureRequest) -> Vad:
    try:
        return make_vad(VadOptions(engine=request.param), 16_000)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: pip install 'dfd[silero]'")


def whole_frames(vad: Vad, seconds: float) -> int:
    return round(seconds * 16_000) // vad.frame_samples * vad.frame_samples


def test_silence_is_not_speech(vad: Vad) -> None:
    assert not vad.speech(silence(2.0)[: whole_frames(vad, 2.0)]).any()


def test_what_exceeds_full_scale_is_clipped() -> None:
    pcm = pcm16(np.array([2.0, -2.0, 0.9, -0.9], np.float32))
    assert np.frombuffer(pcm, "<i2").tolist() == [32767, -32768, 29491, -29491]


def test_a_voice_is_speech() -> None:
    vad = WebRtcVad(16_000, aggressiveness=2)
    assert vad.speech(speech_like(2.0)).mean() > 0.6


@settings(max_examples=10)
@given(pieces=st.lists(st.integers(1, 40), min_size=1, max_size=4))
@pytest.mark.parametrize("engine", engines())
def test_chunking_changes_nothing(engine: VadEngine, pieces: list[int]) -> None:
    options = VadOptions(engine=engine)
    whole, piecewise = make_vad(options, 16_000), make_vad(options, 16_000)
    samples = speech_like(3.0)[: whole_frames(whole, 3.0)]
    expected = whole.speech(samples)
    flags, at = [], 0
    while at < len(samples):
        for frames in pieces:
            step = frames * whole.frame_samples
            flags.append(piecewise.speech(samples[at : at + step]))
            at += step
    assert np.array_equal(np.concatenate(flags), expected)


def test_reset_forgets(vad: Vad) -> None:
    samples = speech_like(2.0)[: whole_frames(vad, 2.0)]
    first = vad.speech(samples)
    vad.reset()
    assert np.array_equal(vad.speech(samples), first)


def test_each_track_has_its_own_state(vad: Vad) -> None:
    options = VadOptions(
        engine=VadEngine.WEBRTC if isinstance(vad, WebRtcVad) else VadEngine.SILERO
    )
    quiet, other = make_vad(options, 16_000), make_vad(options, 16_000)
    samples = speech_like(2.0)[: whole_frames(vad, 2.0)]
    expected = vad.speech(samples)
    half = whole_frames(vad, 1.0)
    flags = other.speech(samples[:half])
    quiet.speech(silence(1.0)[:half])
    assert np.array_equal(np.concatenate([flags, other.speech(samples[half:])]), expected)


def test_silero_needs_its_rate() -> None:
    pytest.importorskip("onnxruntime", reason=_NO_SILERO)
    with pytest.raises(ValueError, match="16000"):
        make_vad(VadOptions(engine=VadEngine.SILERO), 8_000)


def test_silero_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    silero = pytest.importorskip("dfd.streaming.speech.silero", reason=_NO_SILERO)
    silero._session.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="silero_vad"):
        make_vad(VadOptions(engine=VadEngine.SILERO), 16_000)


def test_webrtc_gets_16_bit_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    class Listening:
        def is_speech(self, pcm: bytes, rate: int) -> bool:
            heard.append(pcm)
            return rate == 16_000

    vad = WebRtcVad(16_000, aggressiveness=2)
    monkeypatch.setattr(vad, "_vad", Listening())
    samples = np.zeros(640, np.float32)
    samples[:4] = 0.5, -0.25, 1.0, -1.5
    assert vad.speech(samples).all()
    assert [len(pcm) for pcm in heard] == [640, 640]
    assert np.frombuffer(heard[0], "<i2")[:4].tolist() == [16_384, -8_192, 32_767, -32_768]


@pytest.mark.parametrize(("engine", "samples"), [(VadEngine.WEBRTC, 320), (VadEngine.SILERO, 512)])
def test_frames_are_those_of_the_detector(engine: VadEngine, samples: int) -> None:
    if engine not in engines():
        pytest.skip(_NO_SILERO)
    assert make_vad(VadOptions(engine=engine), 16_000).frame_samples == samples


def test_silero_gets_64_samples_before_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        vad = make_vad(VadOptions(engine=VadEngine.SILERO), 16_000)
    except ModuleNotFoundError:
        pytest.skip(_NO_SILERO)
    real, heard = vad._session, list[np.ndarray]()  # type: ignore[attr-defined]

    class Listening:
        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            heard.append(inputs["input"][0])
            outputs: list[np.ndarray] = real.run(names, inputs)
            return outputs

    monkeypatch.setattr(vad, "_session", Listening())
    samples = speech_like(0.1)[:1_024]
    vad.speech(samples)
    assert np.array_equal(heard[0], np.concatenate([np.zeros(64), samples[:512]]))
    assert np.array_equal(heard[1], samples[448:])
