"""The terminal's meter: the state of a live stream, drawn in place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from rich.align import Align
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dfd.clients import events as ev
from dfd.clients.display import verdicts, words
from dfd.clients.display.marks import UNICODE, Marks

# the meter's full width, and the part of it that is not bars
_WIDTH, _BESIDE_BARS = 78, 34
_LEAST_BAR, _MOST_BAR = 15, 40
_HISTORY = 120


def level_dbfs(content: bytes) -> float:
    """Returns the RMS level of LINEAR16 samples in dBFS; silence is -100."""
    samples = np.frombuffer(content, "<i2").astype(np.float64)
    if not len(samples):
        return -100.0
    mean = float(np.mean(samples**2)) / 32768.0**2
    return max(-100.0, 10 * math.log10(mean)) if mean > 0 else -100.0


@dataclass
class MeterState:
    """What the meter shows; updated by events and blocks of audio."""

    server: str
    device: str
    model: str = ""
    elapsed_seconds: float = 0.0
    level: float = -100.0
    speaking: bool = False
    window: ev.Score | None = None
    rolling: ev.Score | None = None
    cumulative: ev.Score | None = None
    last_status: ev.WindowStatus | None = None
    history: list[float | None] = field(default_factory=list)
    raised: dict[tuple[ev.Trigger, int], ev.Alert] = field(default_factory=dict)
    raised_before: dict[tuple[ev.Trigger, int], ev.Alert] = field(default_factory=dict)
    alerts: int = 0
    note: str = ""
    connected: bool = True
    lost_seconds: float = 0.0
    speech_seconds: float = 0.0
    rates: verdicts.Rates | None = None
    spoof_threshold: float = 0.5

    def hear(self, content: bytes, elapsed_seconds: float) -> None:
        """Handles a block of audio; the level falls slowly, like a needle."""
        self.level = max(level_dbfs(content), self.level - 2.0)
        self.elapsed_seconds = elapsed_seconds

    def take(self, event: ev.Event) -> None:
        """Handles an event of the stream."""
        match event:
            case ev.Started():
                self.model, self.connected = words.model_name(event.model), True
                self.rates = verdicts.rates_in_force(event)
                self.spoof_threshold = event.alert_policy.cumulative_threshold or 0.5
            case ev.SpeechActivity():
                self.speaking = event.began
            case ev.WindowResult():
                self._window(event)
            case ev.Alert() if event.cleared:
                self.raised.pop((event.trigger, event.channel), None)
                self.raised_before.pop((event.trigger, event.channel), None)
            case ev.Alert():
                self.raised[event.trigger, event.channel] = event
                self.alerts += 1
            case ev.StreamWarning():
                self.note = event.message
            case ev.ConnectionLost():
                self.connected, self.speaking = False, False
                self.note = f"connection lost, reconnecting: {event.message}"
                self.raised_before = {**self.raised_before, **self.raised}
                self.raised.clear()
            case ev.Reconnected():
                self.connected = True
                self.lost_seconds += event.lost_seconds
                how = "evidence kept" if event.resumed else "evidence starts afresh"
                self.note = f"reconnected, {event.lost_seconds:.1f} s lost; {how}"
                if event.resumed:
                    self.raised = dict(self.raised_before)
            case ev.AudioLost():
                self.lost_seconds += event.lost_seconds
                self.note = f"the server is slow: {event.lost_seconds:.1f} s lost"
            case ev.Summary():
                self.speaking = False

    def _window(self, event: ev.WindowResult) -> None:
        self.last_status = event.status
        if event.window_score is not None:
            self.window = event.window_score
        self.rolling = event.rolling_score or self.rolling
        self.cumulative = event.cumulative_score or self.cumulative
        if self.cumulative is not None:
            self.speech_seconds = self.cumulative.speech_seconds
        score = event.window_score
        self.history.append(None if score is None else score.spoof_probability)
        del self.history[:-_HISTORY]

    def verdict(self) -> str:
        """Returns what the evidence says so far, in words."""
        if self.cumulative is None:
            if self.last_status is ev.WindowStatus.SHED:
                return "Cannot tell yet: the server is too busy"
            return "Cannot tell yet: speak for a few seconds"
        return verdicts.so_far(self.cumulative.spoof_probability, self.rates, self.spoof_threshold)


def render(state: MeterState, width: int = _WIDTH, marks: Marks = UNICODE) -> RenderableType:
    """Draws the meter; on a narrow terminal bars get shorter, but no figure is cut."""
    width = min(width, _WIDTH)
    bar = max(_LEAST_BAR, min(_MOST_BAR, width - _BESIDE_BARS))
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="bold", min_width=12)
    table.add_column(no_wrap=True, min_width=bar)
    table.add_column(no_wrap=True)
    light = Text(f"{marks.off} no speech", "dim")
    if state.speaking:
        light = Text(f"{marks.on} speech", "green")
    table.add_row("level", _level(state.level, bar, marks), light)
    for name, score in (
        ("this window", state.window),
        ("rolling", state.rolling),
        ("whole stream", state.cumulative),
    ):
        table.add_row(name, _bar(score, bar, marks), words.probability(score))
    table.add_row("", Text("human" + " " * (bar - 14) + "synthetic", "dim"), "")
    table.add_row("time line", _sparks(state.history, bar, marks), "")
    parts: list[RenderableType] = [table, Text()]
    parts.append(Align.center(Text(state.verdict(), style=_style(state.cumulative))))
    if state.raised:
        parts.append(Align.center(_banner(state)))
    if state.note:
        parts.append(Text(state.note, "yellow"))
    status = f"{words.clock(state.elapsed_seconds)}  {state.device}"
    if state.lost_seconds:
        status += f"  {state.lost_seconds:.1f} s lost"
    title = (
        f"{state.model} at {state.server}" if state.connected else f"no server at {state.server}"
    )
    return Panel(
        Group(*parts),
        title=Text(title),
        subtitle=Text(f"{status}  Ctrl-C ends"),
        border_style="red" if state.raised else "dim" if not state.connected else "cyan",
        width=width,
    )


def _banner(state: MeterState) -> Text:
    texts = [
        f"{words.alert(alert)} at {words.clock(alert.offset_seconds)}"
        for alert in state.raised.values()
    ]
    return Text(" ALERT: " + "; ".join(texts) + " ", style="bold white on red")


def _style(score: ev.Score | None) -> str:
    if score is None or max(score.spoof_probability, 1 - score.spoof_probability) < 0.65:
        return "bold yellow"
    return "bold red" if score.spoof_probability >= 0.5 else "bold green"


def _level(dbfs: float, bar: int, marks: Marks) -> Text:
    filled = round(max(0.0, min(1.0, (dbfs + 60.0) / 60.0)) * bar)
    text = Text(marks.full * filled, style="green" if dbfs < -3 else "red")
    return text.append(marks.rest * (bar - filled), style="dim")


def _bar(score: ev.Score | None, bar: int, marks: Marks) -> Text:
    if score is None:
        return Text(marks.rest * bar, style="dim")
    filled = round(score.spoof_probability * bar)
    text = Text(marks.full * filled, style=_style(score).removeprefix("bold "))
    return text.append(marks.rest * (bar - filled), style="dim")


def _sparks(history: list[float | None], bar: int, marks: Marks) -> Text:
    text = Text()
    for value in history[-bar:]:
        if value is None:
            text.append(marks.none, style="dim")
        else:
            text.append(marks.step(value), style="red" if value >= 0.5 else "green")
    return text
