"""ECharts options for scores and waveforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dfd.clients.watching import ScorePoint

Options = dict[str, Any]

# distinguished by colour and by line style, on dark and light backgrounds
WINDOW, ROLLING, CUMULATIVE, THRESHOLD = "#7a8aa0", "#d97706", "#2563eb", "#dc2626"
_GREY = "#7f8a99"


def scores(
    points: Sequence[ScorePoint],
    *,
    rolling_threshold: float | None,
    cumulative_threshold: float | None,
    speech: Sequence[tuple[float, float]] = (),
    alerts: Sequence[tuple[float, str]] = (),
    seconds: float | None = None,
) -> Options:
    """Draws the three scores over time, with speech, thresholds and alerts.

    Args:
        points: the windows, in order.
        rolling_threshold: drawn as a line if given.
        cumulative_threshold: drawn as a line if given.
        speech: start and end of each stretch of speech.
        alerts: positions, each with a word for the alert.
        seconds: length of the axis; None means up to the last window.
    """
    end = seconds or max((point.end_seconds for point in points), default=10.0)
    lines = [
        {
            "yAxis": value,
            "name": name,
            "label": {"formatter": f"{name} {value:.2f}", "position": position},
        }
        for name, value, position in (
            ("rolling", rolling_threshold, "insideStartTop"),
            ("whole", cumulative_threshold, "insideEndBottom"),
        )
        if value is not None
    ]
    marks = [
        {
            "xAxis": at,
            "label": {"formatter": f"alert: {word}", "position": "end", "color": THRESHOLD},
            "lineStyle": {"type": "solid", "width": 2},
        }
        for at, word in _joined(alerts)
    ]
    return {
        "aria": {"enabled": True, "label": {"description": _described(points)}},
        "animation": False,
        "grid": {"left": 44, "right": 40, "top": 40, "bottom": 36},
        "legend": {"top": 4, "textStyle": {"color": _GREY}, "itemWidth": 18},
        "tooltip": {
            "trigger": "axis",
            ":valueFormatter": 'value => value == null ? "-" : Number(value).toFixed(3)',
        },
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": math.ceil(max(end, 1.0) * 10) / 10,  # an alert at the end is seen
            "name": "s",
            "nameGap": 4,
            "axisLabel": {"color": _GREY},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "min": 0,
            "max": 1,
            "axisLabel": {"color": _GREY},
            "splitLine": {"lineStyle": {"color": "rgba(127,138,153,.25)"}},
        },
        "series": [
            {
                "name": "window",
                "type": "scatter",
                "symbolSize": 6,
                "itemStyle": {"color": WINDOW},
                "data": [[p.end_seconds, p.window] for p in points if p.window is not None],
                "markArea": {
                    "silent": True,
                    "itemStyle": {"color": "rgba(34,197,94,.13)"},
                    "data": [[{"xAxis": begin}, {"xAxis": stop}] for begin, stop in speech],
                },
            },
            _line("rolling", ROLLING, [(p.end_seconds, p.rolling) for p in points]),
            _line("whole stream", CUMULATIVE, [(p.end_seconds, p.cumulative) for p in points])
            | {
                "lineStyle": {"width": 3},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "lineStyle": {"color": THRESHOLD, "type": "dashed"},
                    "label": {"color": _GREY, "fontSize": 11},
                    "data": [*lines, *marks],
                },
            },
        ],
    }


def _joined(alerts: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Joins alerts of the same window into one."""
    found: dict[float, list[str]] = {}
    for at, word in alerts:
        found.setdefault(at, []).append(word)
    return [(at, ", ".join(names)) for at, names in found.items()]


def _line(name: str, colour: str, pairs: Sequence[tuple[float, float | None]]) -> Options:
    return {
        "name": name,
        "type": "line",
        "showSymbol": len(pairs) < 3,
        "itemStyle": {"color": colour},
        "lineStyle": {"width": 2, "color": colour},
        "data": [[at, value] for at, value in pairs if value is not None],
    }


def _described(points: Sequence[ScorePoint]) -> str:
    """Describes the chart for screen readers."""
    scored = [point for point in points if point.cumulative is not None]
    if not scored:
        return "Time line of spoof scores; none yet."
    last = scored[-1]
    rolling = "none" if last.rolling is None else f"{last.rolling:.2f}"
    return (
        f"Time line of spoof scores between 0, human, and 1, synthetic. After"
        f" {last.end_seconds:.0f} seconds the rolling score is {rolling} and the score of the"
        f" whole stream {last.cumulative:.2f}."
    )


def waveform(peaks: Sequence[float], seconds: float) -> Options:
    """Draws a recording's waveform from the peaks of equal parts."""
    step = seconds / max(1, len(peaks))
    data = [[round((at + 0.5) * step, 3), round(peak, 4)] for at, peak in enumerate(peaks)]
    mirrored = [[at, -peak] for at, peak in data]
    area = {"type": "line", "showSymbol": False, "silent": True, "lineStyle": {"width": 0}}
    return {
        "aria": {
            "enabled": True,
            "label": {"description": f"Waveform, {seconds:.1f} seconds."},
        },
        "animation": False,
        "grid": {"left": 44, "right": 40, "top": 6, "bottom": 6},
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": round(max(seconds, 1.0), 1),
            "show": False,
        },
        "yAxis": {"type": "value", "min": -1, "max": 1, "show": False},
        "series": [
            area | {"data": data, "areaStyle": {"color": WINDOW, "opacity": 0.8}},
            area | {"data": mirrored, "areaStyle": {"color": WINDOW, "opacity": 0.8}},
        ],
    }


def bars(title: str, rows: Sequence[tuple[str, float]], unit: str) -> Options:
    """Draws a column of a table as horizontal bars."""
    names = [name for name, _ in rows][::-1]
    values = [value for _, value in rows][::-1]
    text = "; ".join(f"{name}: {value:g}" for name, value in rows)
    return {
        "aria": {"enabled": True, "label": {"description": f"{title}, {unit}. {text}"}},
        "animation": False,
        "grid": {"left": 8, "right": 40, "top": 8, "bottom": 28, "containLabel": True},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "xAxis": {
            "type": "value",
            "name": unit,
            "nameLocation": "middle",
            "nameGap": 22,
            "axisLabel": {"color": _GREY},
            "nameTextStyle": {"color": _GREY},
            "splitLine": {"lineStyle": {"color": "rgba(127,138,153,.25)"}},
        },
        "yAxis": {
            "type": "category",
            "data": names,
            "axisLabel": {"color": _GREY, "width": 150, "overflow": "truncate"},
        },
        "series": [
            {
                "type": "bar",
                "data": values,
                "itemStyle": {"color": CUMULATIVE},
                "label": {"show": True, "position": "right", "color": _GREY},
            }
        ],
    }


def sparkline(points: Sequence[ScorePoint], width: int = 96, height: int = 24) -> str:
    """Returns the last rolling scores as points of an SVG polyline."""
    values = [point.rolling for point in points if point.rolling is not None][-32:]
    if len(values) < 2:
        return ""
    step = width / (len(values) - 1)
    return " ".join(
        f"{at * step:.1f},{(1 - value) * (height - 2) + 1:.1f}" for at, value in enumerate(values)
    )
