import pytest

from dfd.clients.display import words
from dfd.clients.events import ChannelSummary, Score, Verdict
from dfd.clients.runs.latency import Latency, percentiles_ms


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.99, "Almost certainly a machine (99 %)"),
        (0.97, "Almost certainly a machine (97 %)"),
        (0.9999, "Almost certainly a machine (99 %)"),
        (1.0, "Almost certainly a machine (100 %)"),
        (0.80, "Probably a machine (80 %)"),
        (0.65, "Possibly a machine (65 %)"),
        (0.60, "Cannot tell: leans to a machine (60 %)"),
        (0.5, "Cannot tell: the evidence is even"),
        (0.3, "Possibly a person (70 %)"),
        (0.1, "Probably a person (90 %)"),
        (0.0, "Almost certainly a person (100 %)"),
    ],
)
def test_a_probability_in_words(probability: float, said: str) -> None:
    assert words.hint(probability) == said


def summary(verdict: Verdict, *reasons: str) -> ChannelSummary:
    score = Score(0.9, 2.2, 4.0)
    return ChannelSummary(0, verdict, reasons, score, score, 0.9, 5, 4, 0, None, 3, 0, 0, 0)


def test_a_verdict_in_words() -> None:
    assert words.verdict(summary(Verdict.SPOOF)) == "Synthetic. Probably a machine (90 %)"
    said = words.verdict(summary(Verdict.INCONCLUSIVE, "TOO_LITTLE_SPEECH", "GAPS"))
    assert (
        said == "Inconclusive: too little speech was heard and too much audio was lost on the way"
    )
    assert "LATER_WORD" in words.verdict(summary(Verdict.INCONCLUSIVE, "LATER_WORD"))


def test_time() -> None:
    assert [words.clock(t) for t in (0, 61.9, 3725)] == ["0:00", "1:01", "1:02:05"]


def test_percentiles() -> None:
    assert percentiles_ms([]) is None
    found = percentiles_ms([k / 1000 for k in range(101)])
    assert found == {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100, "count": 101}
    one, other = Latency(), Latency()
    one.add(0.3, 0.1, 0.2)
    other.extend(one)
    assert other.report()["queue_ms"] == percentiles_ms([0.1])
