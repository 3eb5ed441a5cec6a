"""Scores and verdicts in plain words."""

from dfd.clients.events import ChannelSummary, ModelInfo, Score, Verdict

# confidence at or above which a word is used, surest first
_HINTS = ((0.97, "almost certainly"), (0.80, "probably"), (0.65, "possibly"))

_REASONS = {
    "TOO_LITTLE_SPEECH": "too little speech was heard",
    "EVIDENCE_WEAK": "the evidence is weak",
    "MIXED_EVIDENCE": "parts sound human and parts synthetic",
    "BAND_LIMITED": "the sound is narrower than the detector was trained on",
    "CLIPPED": "the sound is clipped: lower the recording level",
    "GAPS": "too much audio was lost on the way",
    "WINDOWS_SHED": "the server was too busy to judge all of it",
}


def hint(spoof_probability: float) -> str:
    """A probability as a sentence: "Almost certainly a machine (99 %)"."""
    who = "a machine" if spoof_probability >= 0.5 else "a person"
    confidence = max(spoof_probability, 1.0 - spoof_probability)
    for least, word in _HINTS:
        if confidence >= least:
            return f"{word.capitalize()} {who} ({_percent(confidence)})"
    if confidence >= 0.55:
        return f"Cannot tell: leans to {who} ({_percent(confidence)})"
    return "Cannot tell: the evidence is even"


def verdict(summary: ChannelSummary) -> str:
    """What the whole stream says of a channel, in words."""
    if summary.verdict is Verdict.INCONCLUSIVE:
        said = [_REASONS.get(reason, reason) for reason in summary.inconclusive_reasons]
        return "Inconclusive: " + (" and ".join(said) or "the server gave no reason")
    score = summary.cumulative_score
    name = {Verdict.SPOOF: "Synthetic", Verdict.BONAFIDE: "Human"}.get(summary.verdict, "Unknown")
    return name if score is None else f"{name}. {hint(score.spoof_probability)}"


def model_name(model: ModelInfo) -> str:
    """A model in a few words."""
    version = f" {model.version}" if model.version else ""
    return f"{model.name}{version} ({model.precision} on {model.device})"


def probability(score: Score | None) -> str:
    """A score's P(spoof), or a dash."""
    return "-" if score is None else f"{score.spoof_probability:.3f}"


def clock(seconds: float) -> str:
    """A duration as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _percent(share: float) -> str:
    """A share below one is never rounded up to 100 %."""
    return f"{min(int(share * 100 + 0.5), 99 if share < 1 else 100)} %"
