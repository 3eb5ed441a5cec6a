"""Draws reports as pictures."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dfd.errors import UserError

Report = dict[str, Any]


def draw(report: Report, path: Path) -> None:
    """Writes a picture; the suffix gives the format: PNG, SVG or PDF.

    Raises:
        UserError: if it cannot be written.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    {"model": _model, "serve": _serve, "core": _core}[report["benchmark"]](report, axes)
    host = report["machine"]
    figure.suptitle(f"{host['cpu']}, {host['cores']} cores, {host['date'][:10]}", fontsize=9)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise UserError(f"the plot {path} cannot be written: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"the plot {path} cannot be written: {error}") from None


def _model(report: Report, axes: Axes) -> None:
    lines: dict[str, list[Report]] = {}
    for one in report["results"]:
        lines.setdefault(f"{one['engine']} {one['precision']}", []).append(one)
    for name, points in lines.items():
        middle = [one["windows_per_second"] for one in points]
        below = [one["windows_per_second"] - one["windows_per_second_low"] for one in points]
        above = [one["windows_per_second_high"] - one["windows_per_second"] for one in points]
        batches = [one["batch"] for one in points]
        axes.errorbar(batches, middle, yerr=[below, above], marker="o", capsize=3, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("windows in a batch")
    axes.set_ylabel("windows a second")
    axes.set_ylim(bottom=0.0)
    axes.set_title(f"{report['model']} on {report['device']}", loc="left")
    axes.legend(fontsize=8)


def _serve(report: Report, axes: Axes) -> None:
    steps = sorted(
        (step for step in report["steps"] if step["latency_ms"]), key=lambda one: one["streams"]
    )
    streams = [step["streams"] for step in steps]
    for name in ("latency", "network", "queue", "compute"):
        values = [step[f"{name}_ms"]["p99"] for step in steps]
        axes.plot(streams, values, marker="o", label="all" if name == "latency" else name)
    axes.axhline(report["budget_ms"], color="#c0392b", linestyle="dashed", label="budget")
    axes.set_yscale("log")
    axes.set_xlabel("streams at speed 1")
    axes.set_ylabel("p99, ms")
    axes.set_title(f"{report['streams_held']} streams held", loc="left")
    axes.legend(fontsize=8)


def _core(report: Report, axes: Axes) -> None:
    names = [one["format"] for one in report["results"]]
    middle = [one["cpu_ms_per_stream_second"] for one in report["results"]]
    below = [one["cpu_ms_per_stream_second"] - one["cpu_ms_low"] for one in report["results"]]
    above = [one["cpu_ms_high"] - one["cpu_ms_per_stream_second"] for one in report["results"]]
    axes.bar(names, middle, yerr=[below, above], capsize=4, color="#2c3e50")
    axes.set_ylabel("CPU ms a stream and second")
    axes.set_title("the streaming core alone", loc="left")
