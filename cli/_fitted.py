"""What `dfd calibrate` fitted, in words: what the recordings can and cannot support."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfd.evaluation.calibrate import Fitted


def sentences(fitted: Fitted, wanted: float) -> list[str]:
    """States what was fitted, and what the recordings can and cannot support."""
    lines = alarms(fitted, wanted)
    if fitted.calibration is None:
        kept = "there are none" if not fitted.machines else f"{fitted.machines} are too few"
        lines.append(
            f"No calibration: it also takes synthetic calls, and {kept}. "
            "Scores are combined as before."
        )
    else:
        one, other = fitted.scale_interval, fitted.offset_interval
        assert one is not None
        assert other is not None
        lines.append(
            f"Calibration: LLR = {fitted.calibration.scale:.3g} x log-odds "
            f"{fitted.calibration.offset:+.3g} (scale {one[0]:.3g} to {one[1]:.3g}, offset "
            f"{other[0]:+.3g} to {other[1]:+.3g}, 95 %); it holds for synthetic speech like this."
        )
    return lines


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"


def alarms(fitted: Fitted, wanted: float) -> list[str]:
    """States the threshold, and how often it is wrong."""
    from dfd.evaluation.figures.false_alarms import hours_without_alarms

    found = fitted.threshold
    low, high = found.per_hour
    lines = [
        f"{found.calls} human calls, {found.hours:.2f} h: alerts from P(spoof) "
        f"{found.value:.4g}, which {found.alarms} of them reach.",
        f"On such calls expect {_rate(low)} to {_rate(high)} false alarms an hour, and of "
        f"{found.calls} more calls {found.again[0]} to {found.again[1]} with one (95 %).",
    ]
    if high > wanted:
        lines.append(
            f"This does not prove a rate below {wanted:g} an hour: "
            f"{_rate(hours_without_alarms(wanted))} h of human calls without an alert would."
        )
    if fitted.missed is not None and fitted.missed_interval is not None:
        least, most = fitted.missed_interval
        lines.append(
            f"Of {fitted.machines} synthetic calls, {fitted.missed:.0%} raise no alert "
            f"({least:.0%} to {most:.0%}, 95 %)."
        )
    return lines
