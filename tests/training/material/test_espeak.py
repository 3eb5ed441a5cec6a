import numpy as np
import pytest

from dfd.training.material.espeak import VARIANTS, VOICES, Voice, draw_sentence, draw_voice, speak

pytest.importorskip("espeakng_loader", reason="no eSpeak NG to speak with: pip install 'dfd[demo]'")


def test_a_text_is_spoken() -> None:
    samples, rate = speak("Hello, this is a test of the voice.")
    assert samples.dtype == np.int16
    assert 1.0 < len(samples) / rate < 6.0
    assert np.abs(samples.astype(np.int32)).max() > 3_000


def test_speed_and_voice_matter() -> None:
    slow = speak("The same words.", Voice(words_per_minute=130))[0]
    fast = speak("The same words.", Voice(words_per_minute=210))[0]
    assert len(slow) > 1.2 * len(fast)


@pytest.mark.parametrize("name", VOICES)
@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[-1]])
def test_every_voice_exists(name: str, variant: str) -> None:
    assert len(speak("One.", Voice(name + variant))[0]) > 0


def test_a_voice_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no voice"):
        speak("One.", Voice("xx-nobody"))


def test_draws_depend_on_the_generator_alone() -> None:
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    assert (draw_voice(one), draw_sentence(one)) == (draw_voice(two), draw_sentence(two))
    assert draw_sentence(one) != draw_sentence(one)
