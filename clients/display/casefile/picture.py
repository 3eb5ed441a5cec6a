"""Turns scores over time into the shapes of a picture, in its own units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dfd.clients.display import words
from dfd.clients.watching import ScorePoint

_WAVE_HEIGHT = 48.0


@dataclass(frozen=True, slots=True)
class TimeLine:
    """What the picture shows of a channel.

    Attributes:
        speech: start and end of each stretch of speech, in seconds.
        alerts: times at which alerts were raised, in seconds.
        thresholds: names and probabilities.
        peaks: largest samples of equal parts, in [0, 1]; empty if there is no audio.
    """

    seconds: float
    points: Sequence[ScorePoint]
    speech: Sequence[tuple[float, float]] = ()
    alerts: Sequence[float] = ()
    thresholds: Sequence[tuple[str, float]] = ()
    peaks: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes; lines and the wave are SVG points, a tick is a position and its label."""

    kind: str
    width: float
    height: float
    rolling: str
    cumulative: str
    dots: list[tuple[float, float]]
    speech: list[tuple[float, float]]
    alerts: list[float]
    thresholds: list[tuple[str, float]]
    ticks: list[tuple[float, str]]
    wave: str
    wave_height: float = _WAVE_HEIGHT


def draw(line: TimeLine, kind: str, width: float, height: float, ticks: int) -> Picture:
    """Draws a picture of the given size, with `ticks` intervals on the time axis."""
    scale = width / max(line.seconds, 0.1)

    def shape(pairs: Iterable[tuple[float, float | None]]) -> str:
        shown = [(at, value) for at, value in pairs if value is not None]
        return " ".join(f"{at * scale:.1f},{(1 - value) * height:.1f}" for at, value in shown)

    return Picture(
        kind=kind,
        width=width,
        height=height,
        rolling=shape((point.end_seconds, point.rolling) for point in line.points),
        cumulative=shape((point.end_seconds, point.cumulative) for point in line.points),
        dots=[
            (point.end_seconds * scale, (1 - point.window) * height)
            for point in line.points
            if point.window is not None
        ],
        speech=[(begin * scale, (end - begin) * scale) for begin, end in line.speech],
        alerts=[at * scale for at in line.alerts],
        thresholds=[(name, (1 - value) * height) for name, value in line.thresholds],
        ticks=[
            (width * at / ticks, _moment(line.seconds * at / ticks, line.seconds))
            for at in range(ticks + 1)
        ],
        wave=_wave(line.peaks, width),
    )


def _moment(at: float, seconds: float) -> str:
    return words.clock(at) if seconds >= 120.0 else f"{at:.1f} s"


def _wave(peaks: Sequence[float], width: float) -> str:
    step, middle = width / max(1, len(peaks)), _WAVE_HEIGHT / 2
    upper = [f"{at * step:.1f},{(1 - peak) * middle:.1f}" for at, peak in enumerate(peaks)]
    lower = [f"{at * step:.1f},{(1 + peak) * middle:.1f}" for at, peak in enumerate(peaks)]
    return " ".join(upper + lower[::-1])
