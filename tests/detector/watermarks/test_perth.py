"""Perth's watermark, read by dfd and by its own package."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import soxr

from dfd.benchmarks.speech import speech
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError
from dfd.evaluation.telephone.conditions import condition_named
from tests import perth

torch = pytest.importorskip("torch", reason="pip install 'dfd[serve]'")

from dfd.detector.watermarks.perth import load_perth  # noqa: E402
from dfd.detector.watermarks.readers import Readers  # noqa: E402

RATE = 16_000
pytestmark = pytest.mark.skipif(not perth.INSTALLED, reason=perth.REASON)


def read(samples: perth.Samples, rate: int = RATE) -> float:
    (reading,) = Readers(named("perth")).read(samples, rate)
    return reading.confidence


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_readings_match_the_original_package(seconds: float) -> None:
    plain = speech(RATE, seconds)
    for samples in (plain, perth.marked(plain, RATE)):
        assert read(samples) == pytest.approx(perth.read_by_its_own(samples, RATE), abs=0.01)


@pytest.mark.parametrize("condition", ["clean", "ulaw", "opus-24k", "loss"])
def test_a_watermark_survives_a_telephone_line(condition: str) -> None:
    plain = speech(RATE, 4.0)
    (scheme,) = named("perth")
    through = condition_named(condition)
    generator = np.random.default_rng(0)
    assert read(through(perth.marked(plain, RATE), generator)) >= scheme.threshold
    assert read(through(plain, generator)) < 0.5


def test_the_rate_of_the_model_makes_no_difference() -> None:
    marked = perth.marked(speech(RATE, 4.0), RATE)
    narrow = soxr.resample(marked, RATE, 8000)
    assert read(narrow, 8000) == pytest.approx(read(marked), abs=0.05)


def test_a_rate_without_whole_frames_is_refused() -> None:
    with pytest.raises(UserError, match="serve a model of 8000 or 16000 Hz"):
        load_perth(11_025)


def test_too_little_is_not_read() -> None:
    assert Readers(named("perth")).read(np.zeros(500, np.float32), RATE) == []


def test_silence_has_no_watermark() -> None:
    assert read(np.zeros(RATE, np.float32)) < 0.5


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"model": {"weight": torch.zeros(2)}}, path)
    with pytest.raises(UserError, match="lacks"):
        load_perth(RATE, path)


def test_the_weights_come_with_the_package() -> None:
    assert zipfile.is_zipfile(named("perth")[0].weights)
