"""Scores, times and models in a few words."""

from dfd.clients.events import ModelInfo, Score


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
