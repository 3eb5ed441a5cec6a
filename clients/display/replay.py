"""What `dfd replay` shows: a line for each running stream, tables at the end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dfd.clients import events as ev
from dfd.clients.display import verdicts, words
from dfd.clients.display.inplace import InPlaceView
from dfd.clients.display.tables import Column, fitted, number, plain_table, verdict_text
from dfd.clients.runs.replay import Replay
from dfd.clients.runs.report import Report

# Without a terminal, up to this many recordings get a line per window; more only per alert.
_WINDOW_LINES_UP_TO = 8


class ReplayView(InPlaceView):
    """On a terminal a live line for each running stream; otherwise a line for each stream."""

    def __init__(self, console: Console, replays: list[Replay], *, quiet: bool = False) -> None:
        self._console = console
        self._replays = replays
        self._total = sum(replay.recording.seconds or 0.0 for replay in replays)
        self._quiet = quiet
        self._names = short_names(replay.name for replay in replays)
        live = Live(
            get_renderable=self._render, console=console, transient=True, refresh_per_second=8
        )
        super().__init__(live if console.is_terminal and not quiet else None)

    def event(self, replay: Replay, event: ev.Event) -> None:
        """Prints an event if it is worth a line."""
        if self._quiet:
            return
        short = self._names[replay.name]
        name = f"{short} at {words.clock(event_seconds(event))}"
        match event:
            case ev.Alert() if not event.cleared:
                self._print(
                    f"ALERT {name}: {words.alert(event)}",
                    "bold red",
                )
            case ev.Alert():
                self._print(f"cleared {name}: {event.trigger} score", "green")
            case ev.ConnectionLost():
                self._print(f"{short}: connection lost, reconnecting: {event.message}", "red")
            case ev.Reconnected():
                how = "evidence kept" if event.resumed else "evidence starts afresh"
                # its time is where sending starts again, earlier than what was shown last
                self._print(
                    f"{short}: reconnected, {event.lost_seconds:.1f} s lost, {how}", "yellow"
                )
            case ev.Summary() if self._live is None:
                for channel in event.channels:
                    self._print(f"{short}: {verdicts.verdict(channel, _rates(replay))}", "")
            case ev.WindowResult() if self._window_lines:
                self._print(f"{name}: {_scores(event)}", "")
            case _:
                pass

    @property
    def silent(self) -> bool:
        """Whether nothing tells how far the replays are."""
        return self._live is None and (self._quiet or not self._window_lines)

    @property
    def _window_lines(self) -> bool:
        return self._live is None and len(self._replays) <= _WINDOW_LINES_UP_TO

    def _print(self, line: str, style: str) -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)

    def _render(self) -> Group:
        running = [replay for replay in self._replays if replay.running]
        room = max(3, self._console.height - 4)
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=2)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True)
        for replay in running[:room]:
            table.add_row(*_line(replay, self._names[replay.name]))
        if len(running) > room:
            table.add_row(f"... and {len(running) - room} more")
        sent = sum(replay.sent_seconds for replay in self._replays)
        done = sum(
            replay.summary is not None or replay.error is not None for replay in self._replays
        )
        table.add_row(
            Text(f"{done} of {len(self._replays)} done, {len(running)} at once", style="bold"),
            ProgressBar(total=max(self._total, 1e-9), completed=sent),
            f"{words.clock(sent)}/{words.clock(self._total)}",
            "",
        )
        return Group(table)


def _line(replay: Replay, name: str) -> tuple[Any, ...]:
    total = max(replay.recording.seconds or 0.0, replay.sent_seconds)
    window = replay.latest
    score = None if window is None else window.cumulative_score
    raised = any(not alert.cleared for alert in replay.alerts)
    text = Text("no score yet", style="dim")
    if score is not None:
        p = score.spoof_probability
        text = Text(f"P {p:.2f}", style="red" if p >= 0.5 else "green")
    if raised:
        text.append(" ALERT", style="bold red")
    return (
        Text(name),
        ProgressBar(total=max(total, 1e-9), completed=replay.sent_seconds),
        f"{words.clock(replay.sent_seconds)}/{words.clock(total)}",
        text,
    )


def _scores(window: ev.WindowResult) -> str:
    """Returns a window's scores as one line."""
    if window.window_score is None or window.cumulative_score is None:
        return str(window.status.value).replace("_", " ")
    own, whole = window.window_score, window.cumulative_score
    early = ", provisional" if window.provisional else ""
    return f"P {own.spoof_probability:.2f}, so far {whole.spoof_probability:.2f}{early}"


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Returns file names for paths, or the paths themselves where names would clash."""
    unique = set(paths)
    counts = Counter(os.path.basename(path) for path in unique)
    return {
        path: path if counts[os.path.basename(path)] > 1 else os.path.basename(path)
        for path in unique
    }


def event_seconds(event: ev.Event) -> float:
    """Returns an event's position on the time line; 0 if it has none."""
    if isinstance(event, ev.WindowResult):
        return event.end_seconds
    offset = getattr(event, "offset_seconds", 0.0)
    return float(offset)


def _rates(replay: Replay) -> verdicts.Rates | None:
    return None if replay.started is None else verdicts.rates_in_force(replay.started)


def print_report(console: Console, report: Report) -> None:
    """Prints the tables at the end: scores for each file, windows, latency."""
    console.print(_files(report, console.width))
    for name, said in {
        entry["file"]: entry["findings"] for entry in report["files"] if entry["findings"]
    }.items():
        console.print(Text(f"{name}: {'; '.join(said)}", style="yellow"), soft_wrap=True)
    counts = report["windows"]
    said = [f"{counts['scored']} scored", f"{counts['insufficient_speech']} with too little speech"]
    said += [f"{counts['shed']} shed", f"{counts['failed']} failed"]
    console.print(f"Windows: {', '.join(said)}.")
    if report["latency_ms"] is not None:
        console.print(_latencies(report))
        if report["speed"] == "max":
            console.print("At full speed these times include waiting for flow control.")
    speed = f", {report['times_real_time']:.1f} times real time" if report["wall_seconds"] else ""
    model = report["model"] or {"name": "no model"}
    console.print(
        f"{report['audio_seconds']:.1f} s of audio in {report['wall_seconds']:.1f} s{speed};"
        f" {escape(model['name'])} at {escape(report['server'])}."
    )


def _files(report: Report, width: int) -> Table:
    many = any(entry["channel"] for entry in report["files"])
    names = short_names(entry["file"] for entry in report["files"])
    columns = {
        "file": Column("file", least=12),
        "channel": Column("channel", right=True),
        "verdict": Column("verdict", least=14),
        "P": Column("P", right=True),
        "LLR": Column("LLR", right=True, rank=2),
        "mean P": Column("mean P", right=True, rank=4),
        "alert": Column("alert", right=True, rank=1),
        "scored": Column("scored", right=True, rank=3),
    }
    for entry in report["files"]:
        alert = entry.get("first_alert_seconds")
        failed = entry["error"]
        cells: dict[str, Text | str] = {
            "file": names[entry["file"]],
            "channel": str(entry["channel"]),
            "verdict": verdict_text(
                entry["verdict"], entry["inconclusive_reasons"], entry["watermarks"]
            )
            if failed is None
            else Text(f"failed: {failed}", style="red"),
            "P": number(entry.get("cumulative_spoof_probability")),
            "LLR": number(entry.get("cumulative_spoof_llr"), 2),
            "mean P": number(entry.get("mean_spoof_probability")),
            "alert": "-" if alert is None else f"{alert:.1f} s",
            "scored": "-" if failed is not None else str(entry["windows_scored"]),
        }
        for name, column in columns.items():
            column.add(cells[name])
    shown = [column for name, column in columns.items() if many or name != "channel"]
    return fitted(shown, width, title="P: 1 is synthetic, 0 is human")


def _latencies(report: Report) -> Table:
    table = plain_table(title="Latency of scored windows, milliseconds")
    table.add_column("")
    names = ("p50", "p90", "p95", "p99", "max")
    for name in names:
        table.add_column(name, justify="right")
    rows = [("window's end to result", "latency_ms"), ("of it in the queue", "queue_ms")]
    for label, key in [*rows, ("of it computing", "compute_ms")]:
        table.add_row(label, *(f"{report[key][name]:.1f}" for name in names))
    return table
