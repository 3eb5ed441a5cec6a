import shutil

import numpy as np
import pytest

from dfd.evaluation.codecs import CODECS, Codec, through_codec
from dfd.evaluation.conditions import condition_named
from dfd.evaluation.corpus import CorpusError

WAVE = (0.2 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32)
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg not installed")


@needs_ffmpeg
@pytest.mark.parametrize("name", ["ulaw", "alaw", "g722"])
def test_keeps_length_and_level(name: str) -> None:
    made = condition_named(name)(WAVE)
    assert made.shape == WAVE.shape
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(WAVE**2)), rel=0.2)


def test_missing_ffmpeg_is_one_line() -> None:
    with pytest.raises(CorpusError, match="not installed"):
        through_codec(WAVE, CODECS[0], ffmpeg="no-such-ffmpeg")


@needs_ffmpeg
def test_missing_encoder_is_one_line() -> None:
    with pytest.raises(CorpusError, match="cannot do none"):
        through_codec(WAVE, Codec("none", "no-such-encoder", "wav"))


def test_noise_and_loss() -> None:
    noise = condition_named("noise-10")(WAVE) - WAVE
    assert np.mean(WAVE**2) / np.mean(noise**2) == pytest.approx(10, rel=0.1)
    lost = condition_named("loss")(WAVE)
    assert 0.005 < np.mean(lost != WAVE) < 0.2
    with pytest.raises(CorpusError, match="there are: ulaw"):
        condition_named("fax")
