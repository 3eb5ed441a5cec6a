"""Scores, times and models in a few words."""

from collections.abc import Iterable, Sequence

from dfd.clients.events import Alert, Score
from dfd.clients.server_info import Calibration, ModelInfo, ModelMember

_SCHEMES = {"perth": "Perth", "audioseal": "AudioSeal"}


def model_name(model: ModelInfo) -> str:
    """Returns a model's name, version, precision and device."""
    version = f" {model.version}" if model.version else ""
    return f"{model.name}{version} ({model.precision} on {model.device})"


def probability(score: Score | None) -> str:
    """Formats a score's P(spoof); None is a dash."""
    return "-" if score is None else f"{score.spoof_probability:.3f}"


def members(found: Sequence[ModelMember]) -> str:
    """Describes what a fusion adds up, or which models a cascade runs one after the other."""
    if any(one.weight for one in found):
        return " + ".join(f"{one.weight:.3g} x {one.name}" for one in found)
    return ", and where it is not sure ".join(one.name for one in found)


def calibration(found: Calibration | None) -> str:
    """Writes the step from raw scores to evidence as a formula."""
    if found is None:
        return "not stated"
    sign = "-" if found.offset < 0 else "+"
    return (
        f"LLR = {found.scale:.3g} * log-odds {sign} {abs(found.offset):.3g};"
        f" n windows weigh as n / (1 + {found.evidence_correlation:.2g} (n - 1))"
    )


def alert(event: Alert, digits: int = 2) -> str:
    """Describes why an alert was raised or cleared."""
    if event.watermark is not None:
        return carries([event.watermark.scheme])
    score = f"{event.trigger} score {event.score.spoof_probability:.{digits}f}"
    if event.cleared:
        return f"{score}, threshold {event.threshold:.2f}"
    return f"{score} reached {event.threshold:.2f}"


def scheme_name(scheme: str) -> str:
    """Returns the name of a watermark's scheme as its makers write it."""
    return _SCHEMES.get(scheme, scheme)


def carries(schemes: Iterable[str]) -> str:
    """Describes which watermarks were found; empty if there were none."""
    names = [scheme_name(scheme) for scheme in schemes]
    if not names:
        return ""
    return f"carries the {' and '.join(names)} watermark{'s' if len(names) > 1 else ''}"


def clock(seconds: float) -> str:
    """Formats a duration as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
