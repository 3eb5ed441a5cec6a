"""The bundled model raises no alert on what a telephone line carries besides speech."""

from collections.abc import Iterator

import numpy as np
import pytest

from dfd.detector.detector import Detector, load_detector
from dfd.detector.overrides import ModelOverrides
from dfd.offline.recording import score_recording
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding, Samples

RATE = 16_000
SECONDS = 40
KEYS = [(row, column) for row in (697, 770, 852, 941) for column in (1209, 1336, 1477)]
# hold music: C, E, G, C
CHORD_HZ = (261.6, 329.6, 392.0, 523.3)


def tone(seconds: float, *hertz: float) -> Samples:
    at = np.arange(round(seconds * RATE)) / RATE
    waves = [np.sin(2 * np.pi * one * at) for one in hertz]
    return np.asarray(np.mean(waves, axis=0), np.float32)


def cadence(on: float, off: float, *hertz: float) -> Samples:
    return np.concatenate([tone(on, *hertz), np.zeros(round(off * RATE), np.float32)])


def dialled(generator: np.random.Generator) -> Samples:
    keys = generator.integers(len(KEYS), size=SECONDS * 4)
    return np.concatenate([cadence(0.15, 0.1, *KEYS[key]) for key in keys])


def modem(generator: np.random.Generator) -> Samples:
    """Makes Bell 202: 1,200 bits per second, each at 1,200 or 2,200 Hz, with continuous phase."""
    bits = np.repeat(generator.integers(2, size=SECONDS * 1_200), RATE // 1_200)
    phase = np.cumsum(2 * np.pi * np.where(bits, 1_200, 2_200) / RATE)
    return np.sin(phase).astype(np.float32)


def pink_noise(generator: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(generator.standard_normal(SECONDS * RATE))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    wave = np.fft.irfft(spectrum)
    return np.asarray(wave / np.abs(wave).max(), np.float32)


def hold_music(generator: np.random.Generator) -> Samples:
    notes = []
    for _ in range(SECONDS * 2):
        pitch = CHORD_HZ[generator.integers(len(CHORD_HZ))]
        note = tone(0.5, pitch, 2 * pitch, 3 * pitch, pitch / 2)
        notes.append(note * np.exp(-4 * np.arange(note.size) / RATE))
    return np.concatenate(notes).astype(np.float32)


SOUNDS = {
    "dial tone": lambda _: tone(SECONDS, 350, 440),
    "ringback": lambda _: np.tile(cadence(2, 4, 440, 480), SECONDS // 6 + 1),
    "busy": lambda _: np.tile(cadence(0.5, 0.5, 480, 620), SECONDS),
    "DTMF": dialled,
    "modem": modem,
    "pink noise": pink_noise,
    "mains hum": lambda _: tone(SECONDS, 50, 100, 150, 200),
    "hold music": hold_music,
}


@pytest.fixture(scope="module")
def every_window() -> Detector:
    """Loads the bundled model, set to score windows without speech too."""
    return load_detector(
        threads=1, batch_buckets=(4,), overrides=ModelOverrides(min_speech_seconds=0.0)
    )


@pytest.mark.parametrize("level", [0.5, 0.05])
@pytest.mark.parametrize("sound", SOUNDS)
def test_no_alert(sound: str, level: float, every_window: Detector) -> None:
    wave = level * SOUNDS[sound](np.random.default_rng(1))

    def chunks() -> Iterator[bytes]:
        for at in range(0, len(wave), RATE):
            yield wave[at : at + RATE].astype("<f4").tobytes()

    audio_format = AudioFormat(Encoding.FLOAT32, RATE)
    (track,) = score_recording(chunks(), audio_format, every_window)
    assert track.windows >= SECONDS // 2 - 2
    assert track.alerts == []
