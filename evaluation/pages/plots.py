"""Plots of an evaluation as SVG, to be embedded in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from scipy.special import ndtri

HUMAN, SPOOF, INK, FAINT = "#2a7f9e", "#c8553d", "#26323a", "#9aa7af"
# Any, because only some versions of matplotlib type the keys
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "dfd",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "grid.color": "#e3e8eb",
}
_P = ParamSpec("_P")
_DET_TICKS = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)


def _styled(draw: Callable[_P, str]) -> Callable[_P, str]:
    """Draws with this module's style, whatever the process has set."""

    @wraps(draw)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> str:
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapped


@_styled
def det(roc: dict[str, list[float]], eer: float) -> str:
    """Plots the miss rate over the false-alarm rate, both as normal deviates."""
    figure, axes = _new(4.6, 4.3)
    false_alarm, miss = (np.array(roc[key]) for key in ("false_alarm_rate", "miss_rate"))
    drawn = (false_alarm > 0) & (miss > 0) & (false_alarm < 1) & (miss < 1)
    axes.plot(ndtri(false_alarm[drawn]), ndtri(miss[drawn]), color=INK, lw=1.8)
    low = min([eer, *false_alarm[drawn], *miss[drawn], 0.02])
    limits = ndtri(max(low * 0.7, 5e-4)), ndtri(0.95)
    axes.plot(limits, limits, color=FAINT, lw=0.8, ls=":")
    if 0 < eer < 1:
        axes.plot(ndtri(eer), ndtri(eer), "o", color=SPOOF, ms=6)
        axes.annotate(
            f"EER {100 * eer:.1f} %",
            (ndtri(eer), ndtri(eer)),
            (8, 6),
            textcoords="offset points",
            color=SPOOF,
        )
    for axis, limit in ((axes.xaxis, axes.set_xlim), (axes.yaxis, axes.set_ylim)):
        axis.set_major_locator(FixedLocator([ndtri(tick) for tick in _DET_TICKS]))
        axis.set_major_formatter(FixedFormatter([f"{100 * tick:g}" for tick in _DET_TICKS]))
        axis.set_minor_locator(NullLocator())
        limit(limits)
    axes.set_xlabel("bona fide called spoof (false alarms), %")
    axes.set_ylabel("spoofs missed, %")
    axes.grid(visible=True)
    return _svg(figure, "det")


@_styled
def roc_curve(roc: dict[str, list[float]], auc: float) -> str:
    """Plots detected spoofs over false alarms."""
    figure, axes = _new(4.6, 4.3)
    false_alarm, miss = (np.array(roc[key]) for key in ("false_alarm_rate", "miss_rate"))
    # the point that never alerts is not listed
    x, y = np.append(false_alarm, 0.0) * 100, 100 - np.append(miss, 1.0) * 100
    axes.fill_between(x, y, color=HUMAN, alpha=0.10, lw=0)
    axes.plot(x, y, color=HUMAN, lw=1.8)
    axes.plot([0, 100], [0, 100], color=FAINT, lw=0.8, ls=":")
    axes.set_xlabel("bona fide called spoof (false alarms), %")
    axes.set_ylabel("spoofs found, %")
    axes.text(97, 6, f"AUC {auc:.3f}", ha="right")
    axes.set_xlim(-1, 101)
    axes.set_ylim(0, 101)
    axes.grid(visible=True)
    return _svg(figure, "roc")


@_styled
def histogram(bins: dict[str, list[float]], threshold: float | None) -> str:
    """Plots the distribution of scores of each label."""
    figure, axes = _new(9.4, 3.1)
    edges = np.array(bins["edges_llr"])
    for key, name, colour in (("bonafide", "bona fide", HUMAN), ("spoof", "spoof", SPOOF)):
        counts = np.array(bins[key], float)
        share = 100 * counts / max(counts.sum(), 1)
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.30)
        axes.stairs(share, edges, color=colour, lw=1.4, label=name)
    axes.set_ylim(bottom=0)
    if threshold is not None and 0 < threshold < 1:
        at = float(np.log(threshold / (1 - threshold)))
        axes.axvline(at, color=INK, lw=1, ls="--")
        right = at > edges.mean()
        axes.annotate(
            f"threshold {threshold:.3g}",
            (at, axes.get_ylim()[1]),
            (-5 if right else 5, -11),
            textcoords="offset points",
            ha="right" if right else "left",
        )
    axes.set_xlabel("log-likelihood ratio, spoof over bona fide")
    axes.set_ylabel("% of the label")
    axes.legend(loc="upper right")
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    return _svg(figure, "histogram")


@_styled
def calibration(bins: Sequence[dict[str, float]]) -> str:
    """Plots the share of spoofs over P(spoof), in bins of equal count."""
    figure, axes = _new(4.6, 4.3)
    x, y, count = (
        np.array([entry[key] for entry in bins])
        for key in ("mean_probability", "spoof_share", "count")
    )
    axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=":")
    # one standard deviation of a share of this many recordings
    spread = np.sqrt(np.maximum(y * (1 - y), 1e-9) / count)
    axes.errorbar(x, y, spread, fmt="o-", color=HUMAN, ecolor=FAINT, ms=5, lw=1.4)
    axes.set_xlabel("P(spoof) given")
    axes.set_ylabel("share of spoofs found there")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(visible=True)
    return _svg(figure, "calibration")


@_styled
def bars(rows: Sequence[tuple[str, float, tuple[float, float] | None]], name: str) -> str:
    """Plots the EER of each group, with its interval if it has one; rates are shares."""
    figure, axes = _new(9.4, 0.9 + 0.26 * len(rows))
    places = np.arange(len(rows))
    axes.barh(places, [100 * eer for _, eer, _ in rows], height=0.66, color=HUMAN, alpha=0.75)
    for place, (_, eer, interval) in zip(places, rows, strict=True):
        end = 100 * eer
        if interval is not None:
            end = max(end, 100 * interval[1])
            axes.plot([100 * side for side in interval], [place, place], color=INK, lw=1)
        axes.annotate(
            f"{100 * eer:.1f}", (end, place), (5, -3.5), textcoords="offset points", fontsize=9
        )
    axes.set_yticks(places, [label for label, _, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("EER, %")
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    return _svg(figure, name)


@_styled
def evidence(points: Sequence[dict[str, Any]], name: str) -> str:
    """Plots the EER, and the quartiles of the LLR of each label, by seconds of audio."""
    figure = Figure(figsize=(9.4, 3.3), layout="constrained")
    with_eer = [point for point in points if point["eer"] is not None]
    all_axes = figure.subplots(1, 2 if with_eer else 1, squeeze=False)[0]
    if with_eer:
        axes = all_axes[0]
        x = [point["seconds"] for point in with_eer]
        y = [100 * point["eer"] for point in with_eer]
        axes.plot(x, y, color=INK, lw=1.6)
        for point, at, value in zip(with_eer, x, y, strict=True):
            full = not point["all_there_is"]
            axes.plot(at, value, "o", color=INK, mfc=INK if full else "white", ms=5)
        axes.set_ylim(0, max([*y, 10]) * 1.15)
        axes.set_ylabel("EER, %")
    axes = all_axes[-1]
    for key, label, colour in (("bonafide", "bona fide", HUMAN), ("spoof", "spoof", SPOOF)):
        there = [point for point in points if point[f"llr_quartiles_{key}"] is not None]
        if there:
            seconds = [point["seconds"] for point in there]
            low, middle, high = np.array([point[f"llr_quartiles_{key}"] for point in there]).T
            axes.fill_between(seconds, low, high, color=colour, alpha=0.20, lw=0)
            axes.plot(seconds, middle, "o-", color=colour, lw=1.6, ms=4, label=label)
    axes.axhline(0, color=FAINT, lw=0.8, ls=":")
    axes.set_ylabel("LLR: median and quartiles")
    axes.legend(loc="best")
    for axes in all_axes:
        axes.set_xlabel("seconds heard")
        axes.set_xlim(left=0)
        axes.grid(visible=True)
    return _svg(figure, name)


def _new(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure, name: str) -> str:
    """Returns an `svg` element whose ids start with `name`, so that a page can contain several."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(id="|"#|url\(#)', rf"\g<1>{name}-", text)
    # as wide as the page allows; the page can use the intended width
    return re.sub(
        r'<svg (.*?)width="([\d.]+)pt" height="[^"]*pt"',
        r'<svg \1role="img" style="--meant: \2px"',
        text,
        count=1,
    )
