"""Verdicts in plain words that claim no more than was measured.

A word such as "probably" follows from how often the model is wrong on recordings that it was not
trained on (`ModelInfo.error_rates`), never from the score alone: scores can be extreme even for
voices unlike any that the model has seen.
"""

from typing import Protocol

from dfd.clients.display import words
from dfd.clients.events import ChannelSummary, Started, Verdict

# the largest share of wrong answers for which each word may be used, strongest word first
_SURE = ((0.001, "Almost certainly"), (0.05, "Probably"))

_REASONS = {
    "TOO_LITTLE_SPEECH": "too little speech was heard",
    "EVIDENCE_WEAK": "the evidence is weak",
    "MIXED_EVIDENCE": "parts sound human and parts synthetic",
    "BAND_LIMITED": "the audio has less bandwidth than the detector was trained on",
    "CLIPPED": "the audio is clipped: lower the recording level",
    "GAPS": "too much audio was lost in transit",
    "WINDOWS_SHED": "the server was too busy to score all of it",
}

_NAMES: dict[str, str] = {Verdict.SPOOF: "synthetic", Verdict.BONAFIDE: "human"}

# of a channel without a summary
CUT_OFF = "No summary: the daemon was stopped before the call ended"

# at or below this the evidence favours a person, as in the verdict
_PERSON = 0.35


class Rates(Protocol):
    """How often a model is wrong, at one threshold and for recordings of one length."""

    @property
    def threshold(self) -> float:
        """Cumulative P(spoof) from which the verdict is spoof."""

    @property
    def false_alarm_rate(self) -> float:
        """Share of people who are called a machine."""

    @property
    def miss_rate(self) -> float:
        """Share of machines that are not called one."""

    @property
    def heard_seconds(self) -> float:
        """Length of the recordings."""


def rates_in_force(started: Started) -> Rates | None:
    """Returns the model's error rates, unless the stream uses another threshold."""
    return rates_at(started.model.error_rates, started.alert_policy.cumulative_threshold)


def rates_at(rates: Rates | None, threshold: float | None) -> Rates | None:
    """Returns error rates if they were measured at this threshold."""
    if rates is None or threshold is None or abs(rates.threshold - threshold) > 1e-3:
        return None
    return rates


def machine(rates: Rates | None) -> str:
    """Returns what may be claimed if the threshold is reached."""
    if rates is None:
        return "Sounds synthetic"
    return f"{_sureness(rates.false_alarm_rate) or 'Possibly'} synthetic"


def person(rates: Rates | None) -> str:
    """Returns what may be claimed if the evidence favours a person."""
    if rates is None:
        return "Sounds human"
    sure = _sureness(rates.miss_rate)
    return f"{sure} human" if sure else "No sign of a synthetic voice"


def _sureness(wrong: float) -> str:
    return next((word for most, word in _SURE if wrong <= most), "")


def so_far(spoof_probability: float, rates: Rates | None = None, threshold: float = 0.85) -> str:
    """Returns what the evidence says while the stream is running.

    Args:
        spoof_probability: the cumulative P(spoof).
        rates: error rates of the model at this threshold; None if unknown.
        threshold: value from which the verdict would be spoof.
    """
    if spoof_probability >= threshold:
        return machine(rates)
    if spoof_probability <= _PERSON:
        return person(rates)
    leaning = "synthetic" if spoof_probability >= 0.5 else "human"
    return f"Cannot tell: leaning towards {leaning}"


def verdict(summary: ChannelSummary, rates: Rates | None = None) -> str:
    """Returns the verdict on a channel in words, with any watermarks found beside it."""
    found = words.carries(one.scheme for one in summary.watermarks)
    text = _judged(summary, rates)
    return f"{text}; {found}" if found else text


def _judged(summary: ChannelSummary, rates: Rates | None) -> str:
    if summary.verdict is Verdict.SPOOF:
        return machine(rates)
    if summary.verdict is Verdict.BONAFIDE:
        return person(rates)
    if summary.verdict is Verdict.INCONCLUSIVE:
        reasons = [reason_words(reason) for reason in summary.inconclusive_reasons]
        return "Cannot tell: " + (" and ".join(reasons) or "the server gave no reason")
    return "Unknown"


def verdict_name(verdict: str) -> str:
    """Returns a verdict in a word: human, synthetic or cannot tell.

    Args:
        verdict: as the contract and JSON have it, such as spoof.
    """
    return _NAMES.get(verdict, "cannot tell")


def reason_words(reason: str) -> str:
    """Returns a reason for an inconclusive verdict as a clause, given its name in the contract."""
    return _REASONS.get(reason, reason.lower().replace("_", " "))


def rates_sentence(rates: Rates | None) -> str:
    """Returns a sentence on how far a verdict can be trusted."""
    if rates is None:
        return "It is not known how often this model is wrong at this threshold: do not rely on it."
    return (
        f"On recordings of {rates.heard_seconds:g} s that the model was not trained on,"
        f" {_of(rates.false_alarm_rate, 'human voices', 'called synthetic')}, and"
        f" {_of(rates.miss_rate, 'synthetic ones', 'not noticed')}."
    )


def _of(share: float, whom: str, what: str) -> str:
    """Returns a share in everyday words: "of 100 synthetic ones 60 would not be noticed"."""
    negated = what.removeprefix("not ")
    be = "would not be" if negated != what else "would be"
    if share <= 0:
        return f"none of the {whom} measured {be} {negated}"
    whole = 100 if share >= 0.005 else 1000 if share >= 0.0005 else 10_000
    return f"of {whole:,} {whom} {max(1, round(share * whole)):,} {be} {negated}"
