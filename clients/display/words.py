"""Scores, times and models in a few words."""

from dfd.clients.events import Calibration, ModelInfo, Score


def model_name(model: ModelInfo) -> str:
    """Returns a model's name, version, precision and device."""
    version = f" {model.version}" if model.version else ""
    return f"{model.name}{version} ({model.precision} on {model.device})"


def probability(score: Score | None) -> str:
    """Formats a score's P(spoof); None is a dash."""
    return "-" if score is None else f"{score.spoof_probability:.3f}"


def calibration(found: Calibration | None) -> str:
    """Writes the step from raw scores to evidence as a formula."""
    if found is None:
        return "not told"
    sign = "-" if found.offset < 0 else "+"
    return (
        f"LLR = {found.scale:.3g} * log-odds {sign} {abs(found.offset):.3g};"
        f" n windows weigh as n / (1 + {found.evidence_correlation:.2g} (n - 1))"
    )


def clock(seconds: float) -> str:
    """Formats a duration as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
