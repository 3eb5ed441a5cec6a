"""`dfd replay --plot`: draws waveform, speech, scores, thresholds and alerts of replays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dfd.clients import events as ev
from dfd.clients.audio import Encoding
from dfd.clients.display.verdicts import verdict_name
from dfd.clients.runs.replay import Replay
from dfd.clients.sources.recording import Recording
from dfd.errors import UserError

# Most channels in one picture; the title says if there are more.
MAX_PANELS = 8
_POINTS = 1_200
# for recordings whose header does not state a length
_UNKNOWN_SECONDS = 600.0
_SPOOF, _ROLLING, _WINDOW = "#c0392b", "#d68910", "#7f8c8d"


def draw(replays: list[Replay], path: Path) -> None:
    """Writes a picture of replays to a file.

    Args:
        replays: finished replays, with their speech activity.
        path: its suffix determines the format, PNG, SVG or PDF.

    Raises:
        UserError: if the picture cannot be written.
    """
    figure = picture(replays)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise UserError(f"the plot {path} cannot be written: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"the plot {path} cannot be written: {error}") from None


def picture(replays: list[Replay]) -> Figure:
    """Returns a pair of axes for each channel of each replay.

    Raises:
        UserError: if there is nothing to draw.
    """
    panels = [
        (replay, channel)
        for replay in replays
        if replay.started is not None
        for channel in replay.started.channels or range(replay.recording.audio_format.channel_count)
    ]
    shown = panels[:MAX_PANELS]
    if not shown:
        raise UserError("there is nothing to plot: no stream was judged")
    figure = Figure(figsize=(11, 3.2 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * len(shown), 1, squeeze=False, height_ratios=[1, 2] * len(shown))
    for index, (replay, channel) in enumerate(shown):
        _draw_audio(axes[2 * index, 0], replay, channel)
        _draw_scores(axes[2 * index + 1, 0], replay, channel)
    axes[-1, 0].set_xlabel("seconds")
    if len(panels) > len(shown):
        figure.suptitle(f"the first {len(shown)} of {len(panels)} channels")
    return figure


def envelope(recording: Recording, channel: int) -> tuple[NDArray[np.float64], ...]:
    """Returns the lowest and highest sample of one channel in about a thousand intervals.

    Returns:
        Seconds (n,), lowest (n,), highest (n,), full scale 1.0.
    """
    audio_format = recording.audio_format
    integers = audio_format.encoding is Encoding.LINEAR16
    scale = 32768.0 if integers else 1.0
    lowest, highest = [], []
    chunks = recording.chunks((recording.seconds or _UNKNOWN_SECONDS) / _POINTS)
    for chunk in chunks:
        samples = np.frombuffer(chunk, "<i2" if integers else "<f4")
        one = samples.reshape(-1, audio_format.channel_count)[:, channel] / scale
        lowest.append(float(one.min()))
        highest.append(float(one.max()))
    seconds = np.linspace(0.0, chunks.seconds, len(lowest))
    return seconds, np.array(lowest), np.array(highest)


def speech_spans(replay: Replay, channel: int) -> list[tuple[float, float]]:
    """Returns where speech was heard, in seconds; speech that did not stop lasts to the end."""
    spans: list[tuple[float, float]] = []
    began: float | None = None
    for activity in replay.activity:
        if activity.channel != channel:
            continue
        if activity.began:
            began = activity.offset_seconds
        elif began is not None:
            spans.append((began, activity.offset_seconds))
            began = None
    if began is not None:
        spans.append((began, replay.sent_seconds))
    return spans


def _draw_audio(axes: Axes, replay: Replay, channel: int) -> None:
    seconds, lowest, highest = envelope(replay.recording, channel)
    axes.fill_between(seconds, lowest, highest, color="#2c3e50", linewidth=0)
    for start, end in speech_spans(replay, channel):
        axes.axvspan(start, end, color="#aed6f1", alpha=0.6, linewidth=0, zorder=0)
    name = replay.recording.path.name
    several = replay.recording.audio_format.channel_count > 1
    verdict = _verdict(replay, channel)
    axes.set_title(f"{name}{f', channel {channel}' if several else ''}{verdict}", loc="left")
    axes.set_ylabel("audio,\nspeech shaded")
    axes.set_yticks([])
    axes.set_xlim(0.0, replay.sent_seconds)


def _draw_scores(axes: Axes, replay: Replay, channel: int) -> None:
    windows = [w for w in replay.windows if w.channel == channel and w.window_score is not None]
    for window in windows:
        assert window.window_score is not None
        height = window.window_score.spoof_probability
        dashes = "dotted" if window.provisional else "solid"
        ends = [window.start_seconds, window.end_seconds]
        axes.plot(ends, [height, height], color=_WINDOW, linewidth=3, alpha=0.5, linestyle=dashes)
    # where both are the same, the broad one shows on either side of the thin one
    for name, color, width in (("rolling", _ROLLING, 5.0), ("cumulative", _SPOOF, 1.5)):
        scores: list[ev.Score | None] = [getattr(window, f"{name}_score") for window in windows]
        axes.plot(
            [w.end_seconds for w in windows],
            [np.nan if score is None else score.spoof_probability for score in scores],
            color=color,
            linewidth=width,
            marker="o",
            markersize=3 + width,
            label=name,
        )
    assert replay.started is not None
    policy = replay.started.alert_policy
    # dashes of one in the gaps of the other
    for name, threshold, color, start in (
        ("rolling", policy.rolling_threshold, _ROLLING, 0),
        ("cumulative", policy.cumulative_threshold, _SPOOF, 6),
    ):
        if threshold is not None:
            style = (start, (6, 6))
            axes.axhline(
                threshold, color=color, linewidth=1.2, linestyle=style, label=f"{name} threshold"
            )
    for alert in replay.alerts:
        if alert.channel == channel:
            color = "#27ae60" if alert.cleared else _SPOOF
            axes.axvline(alert.offset_seconds, color=color, linewidth=1.5)
            label = "cleared" if alert.cleared else "ALERT"
            axes.annotate(label, (alert.offset_seconds, 1.0), color=color, fontsize=8)
    axes.plot([], [], color=_WINDOW, linewidth=3, alpha=0.5, label="windows")
    # beside the data, where it covers nothing
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    axes.set_ylim(-0.02, 1.08)
    axes.set_xlim(0.0, replay.sent_seconds)
    axes.set_ylabel("P: 1 is synthetic,\n0 is human")


def _verdict(replay: Replay, channel: int) -> str:
    if replay.summary is None:
        return ""
    found = [one for one in replay.summary.channels if one.channel == channel]
    return f": {verdict_name(found[0].verdict)}" if found else ""
