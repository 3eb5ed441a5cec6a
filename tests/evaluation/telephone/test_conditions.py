import numpy as np
import pytest

from dfd.errors import UserError
from dfd.evaluation.audio import FloatArray
from dfd.evaluation.telephone import codecs
from dfd.evaluation.telephone.codecs import Codec, through_codec
from dfd.evaluation.telephone.conditions import (
    STANDARD,
    available,
    condition_named,
    packet_loss,
    white_noise,
)
from dfd.evaluation.telephone.room import DECAY_SECONDS, impulse_response, reverberate

TIME = np.arange(24_000) / 16_000
# voiced sounds of 0.2 s with pauses of 0.05 s: harmonics up to 3 kHz
WAVE: FloatArray = (
    0.1 * sum(np.sin(2 * np.pi * 150 * k * TIME) / k for k in range(1, 20)) * (TIME % 0.25 < 0.2)
).astype(np.float32)


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def spectrum(wave: FloatArray) -> np.ndarray:
    """Returns log power in bands of 100 Hz up to 3 kHz."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    bands: np.ndarray = np.log(power[: 3000 * 3 // 2].reshape(30, -1).sum(axis=1))
    return bands


@pytest.mark.parametrize("name", available(STANDARD)[0])
def test_speech_comes_through(name: str) -> None:
    made = condition_named(name)(WAVE, generator())
    assert made.shape == WAVE.shape
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert not np.array_equal(made, WAVE)
    assert np.corrcoef(spectrum(made), spectrum(WAVE))[0, 1] > 0.7
    assert np.sqrt(np.mean(made**2) / np.mean(WAVE**2)) == pytest.approx(1, abs=0.3)


def test_telephony_is_complete() -> None:
    wanted = {"ulaw", "alaw", "gsm", "g722", "opus-12k", "opus-16k", "opus-24k"}
    assert wanted <= available(STANDARD)[0].keys()
    assert {"loss", "noise-20", "noise-15", "noise-10", "room"} <= available(STANDARD)[0].keys()


@pytest.mark.parametrize("name", ["ulaw", "alaw", "gsm"])
def test_the_telephones_band(name: str) -> None:
    hiss = generator().normal(size=32_000).astype(np.float32) * 0.1
    power = np.abs(np.fft.rfft(condition_named(name)(hiss, generator()))) ** 2
    assert power[8500:].sum() < 0.01 * power[:8000].sum()


def test_unavailable_codecs_are_named() -> None:
    absent = Codec("none", "no-such-encoder", "wav")
    with pytest.raises(UserError, match="no encoder no-such-encoder and there is no ffmpeg"):
        through_codec(WAVE, absent, ffmpeg="no-such-ffmpeg")
    with pytest.raises(UserError, match="no condition 'fax'; choose from: clean, ulaw"):
        condition_named("fax")


def test_missing_codecs_are_listed_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UserError("ffmpeg cannot encode it")

    monkeypatch.setattr(codecs, "_pyav_has", lambda _: False)
    monkeypatch.setattr(codecs, "_by_program", refuse)
    working, missing = available(["gsm", "g722", "loss"])
    assert list(working) == ["gsm", "loss"]
    assert missing == {"g722": "ffmpeg cannot encode it"}


def test_noise_has_its_level() -> None:
    noise = white_noise(WAVE, generator(), 10) - WAVE
    assert np.mean(WAVE**2) / np.mean(noise**2) == pytest.approx(10, rel=0.05)


def test_one_packet_in_twenty_is_lost() -> None:
    ones = np.ones(16_000 * 60, np.float32)
    lost = packet_loss(ones, generator()) != 1
    assert lost.mean() == pytest.approx(0.05, abs=0.01)
    assert (lost.reshape(-1, 320).all(axis=1) == lost.reshape(-1, 320).any(axis=1)).all()


def test_the_room_decays_as_it_should() -> None:
    energy = np.cumsum(impulse_response(0)[::-1].astype(np.float64) ** 2)[::-1]
    decay = 10 * np.log10(energy / energy[0])
    # Schroeder's curve from -5 to -25 dB, a third of the way to -60 dB
    fall = (np.argmax(decay < -25) - np.argmax(decay < -5)) / 16_000 * 3
    assert fall == pytest.approx(DECAY_SECONDS, rel=0.25)
    assert impulse_response(0)[0] == pytest.approx(1.0)


def test_the_room_is_the_same_each_time() -> None:
    assert np.array_equal(reverberate(WAVE, generator()), reverberate(WAVE, generator()))


@pytest.mark.parametrize("name", available(STANDARD)[0])
def test_a_few_samples_keep_their_number(name: str) -> None:
    for wave in (np.full(1, 0.5, np.float32), np.zeros(100, np.float32)):
        made = condition_named(name)(wave, generator())
        assert made.shape == wave.shape
        assert np.isfinite(made).all()
