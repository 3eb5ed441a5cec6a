import pytest

from dfd.clients.display import verdicts
from dfd.clients.events import ChannelSummary, Score, Verdict
from dfd.clients.server_info import ErrorRates

WEAK = ErrorRates(0.85, 0.007, 0.6, 4.0)
STRONG = ErrorRates(0.85, 0.0005, 0.0004, 8.0)
USELESS = ErrorRates(0.85, 0.3, 0.3, 4.0)


@pytest.mark.parametrize(
    ("rates", "machine", "person"),
    [
        (None, "Sounds synthetic", "Sounds human"),
        (WEAK, "Probably synthetic", "No sign of a synthetic voice"),
        (STRONG, "Almost certainly synthetic", "Almost certainly human"),
        (USELESS, "Possibly synthetic", "No sign of a synthetic voice"),
    ],
)
def test_wording_is_as_certain_as_the_measured_error_rates(
    rates: ErrorRates | None, machine: str, person: str
) -> None:
    # however extreme the score is
    assert verdicts.so_far(0.999999, rates, 0.85) == machine
    assert verdicts.so_far(0.000001, rates, 0.85) == person
    assert verdicts.verdict(summary(Verdict.SPOOF), rates) == machine
    assert verdicts.verdict(summary(Verdict.BONAFIDE), rates) == person


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.84, "Cannot tell: leaning towards synthetic"),
        (0.5, "Cannot tell: leaning towards synthetic"),
        (0.49, "Cannot tell: leaning towards human"),
        (0.36, "Cannot tell: leaning towards human"),
        (0.35, "Sounds human"),
        (0.85, "Sounds synthetic"),
    ],
)
def test_between_the_thresholds_it_cannot_tell(probability: float, said: str) -> None:
    assert verdicts.so_far(probability, None, 0.85) == said


def test_the_threshold_for_human_is_that_of_the_verdict() -> None:
    core = pytest.importorskip("dfd.streaming.judgement.verdict", reason="pip install 'dfd[serve]'")
    assert verdicts._PERSON == core.BONAFIDE_PROBABILITY


def summary(verdict: Verdict, *reasons: str) -> ChannelSummary:
    score = Score(0.9, 2.2, 4.0)
    return ChannelSummary(0, verdict, reasons, score, score, 0.9, 5, 4, 0, None, 3, 0, 0, 0)


def test_an_inconclusive_verdict_states_the_reasons() -> None:
    said = verdicts.verdict(summary(Verdict.INCONCLUSIVE, "TOO_LITTLE_SPEECH", "GAPS"))
    assert said == "Cannot tell: too little speech was heard and too much audio was lost in transit"
    assert "later word" in verdicts.verdict(summary(Verdict.INCONCLUSIVE, "LATER_WORD"))


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (
            WEAK,
            "of 100 human voices 1 would be called synthetic, and of 100 synthetic ones 60 would",
        ),
        (STRONG, "of 10,000 synthetic ones 4 would not be noticed"),
        (
            ErrorRates(0.5, 0.0, 0.2, 4.0),
            "none of the human voices measured would be called synthetic",
        ),
        (ErrorRates(0.5, 0.002, 0.2, 4.0), "of 1,000 human voices 2 would be called synthetic"),
        (None, "not known"),
    ],
)
def test_error_rates_are_stated_as_counts(rates: ErrorRates | None, said: str) -> None:
    assert said in verdicts.rates_sentence(rates)
