import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.types import Score
from tests.streaming.helpers import window


@pytest.mark.parametrize(("llr", "probability"), [(0.0, 0.5), (2.0, 0.880797), (-2.0, 0.119203)])
def test_probability_of_an_llr(llr: float, probability: float) -> None:
    assert Score(llr, 1.0).spoof_probability == pytest.approx(probability, abs=1e-6)


@given(st.floats(-1e300, 1e300))
def test_probability_stays_in_its_range(llr: float) -> None:
    assert 0.0 <= Score(llr, 1.0).spoof_probability <= 1.0


def test_window_offsets_in_seconds() -> None:
    cut = window(1.5, 3.25)
    assert (cut.start_seconds, cut.end_seconds) == (1.5, 3.25)
