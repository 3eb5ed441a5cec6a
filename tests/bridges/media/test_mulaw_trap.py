import numpy as np
import pytest

from dfd.bridges.media.mulaw_trap import MulawTrap, looks_like_mulaw
from tests.bridges.kit import alaw, mulaw, voice


def frames(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("gain", [1.0, 0.3, 0.1])
def test_mulaw_is_noticed_once(gain: float) -> None:
    content = mulaw((voice(6.0) * gain).astype("<i2"))
    trap = MulawTrap()
    assert [trap.push(frame) for frame in frames(content, 160)].count(True) == 1


@pytest.mark.parametrize("gain", [1.0, 0.1, 3.0, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_linear_speech_is_accepted_even_if_clipped(gain: float, seed: int) -> None:
    samples = np.clip(voice(4.0, seed=seed).astype(float) * gain, -32768, 32767).astype("<i2")
    trap = MulawTrap()
    assert not any(trap.push(frame) for frame in frames(samples.tobytes(), 320))


def test_silence_proves_nothing() -> None:
    trap = MulawTrap()
    assert not any(trap.push(b"\xff" * 160) for _ in range(500))
    assert not any(trap.push(bytes(320)) for _ in range(500))
    assert not trap.push(b"")


def test_alaw_is_noticed_too() -> None:
    assert looks_like_mulaw(alaw(voice(2.0)))


def test_too_little_audio_is_not_judged() -> None:
    assert not looks_like_mulaw(b"\x80")
