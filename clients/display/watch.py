"""What `dfd watch` shows: a table of all streams, alerts first, drawn in place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from dfd.clients.display import verdicts, words
from dfd.clients.display.marks import UNICODE, Marks, marks_of
from dfd.clients.display.tables import Column, fitted, result_width
from dfd.clients.errors import DetectionError
from dfd.clients.events import Verdict
from dfd.clients.transport.trouble import cause
from dfd.clients.watching import (
    ScorePoint,
    StreamList,
    StreamsUpdate,
    WatchedChannel,
    WatchedStream,
)

_SPARK_WIDTH = 24
# lines of the screen when the output is a file
_ENDLESS = 1 << 20
_STYLES = {Verdict.SPOOF: "red", Verdict.BONAFIDE: "green"}

# sort keys; the second value says whether the largest comes first
SORTS: dict[str, tuple[Callable[[WatchedStream], Any], bool]] = {
    "score": (lambda s: -1.0 if s.cumulative is None else s.cumulative, True),
    "rolling": (lambda s: -1.0 if s.rolling is None else s.rolling, True),
    "alerts": (lambda s: s.alerts_raised, True),
    "length": (lambda s: s.audio_seconds, True),
    "id": (lambda s: s.stream_id, False),
    "start": (lambda s: s.started_at, False),
}


@dataclass
class WatchState:
    """What is shown, and how.

    Attributes:
        sort: a key of `SORTS`; streams with an alert always come first.
        reverse: whether to reverse the order.
        text: show only streams that match it.
        alerts_only: show only streams with an alert.
        lost: why there is no server at the moment; empty while there is one.
    """

    server: str
    sort: str = "score"
    reverse: bool = False
    text: str = ""
    alerts_only: bool = False
    streams: StreamList = field(default_factory=lambda: StreamList(keep_ended=200))
    lost: str = ""

    def rows(self) -> list[WatchedStream]:
        """Returns the streams to show, in order."""
        key, descending = SORTS[self.sort]
        found = [
            stream
            for stream in self.streams.streams.values()
            if stream.matches(self.text) and (stream.alerted or not self.alerts_only)
        ]
        found.sort(key=lambda stream: stream.key)
        found.sort(key=key, reverse=descending is not self.reverse)
        found.sort(key=lambda stream: not stream.alerted)
        return found

    def press(self, key: str) -> bool:
        """Handles a key; returns False if it ends the view."""
        names = list(SORTS)
        match key:
            case "q" | "\x03" | "\x1b":
                return False
            case "s":
                self.sort = names[(names.index(self.sort) + 1) % len(names)]
            case "r":
                self.reverse = not self.reverse
            case "a":
                self.alerts_only = not self.alerts_only
        return True


class WatchView:
    """Draws a `WatchState` in place and reads keys, or prints changes line by line."""

    def __init__(self, console: Console, state: WatchState) -> None:
        self._console = console
        self._state = state
        self._live: Live | None = None
        self._trouble: dict[str, str] = {}
        self._ended = asyncio.Event()
        if console.is_terminal:
            self._live = Live(
                get_renderable=self.picture, console=console, screen=True, refresh_per_second=4
            )

    async def run(self, following: Coroutine[Any, Any, None]) -> None:
        """Shows what `following` reports until it fails or the user quits."""
        tasks = [asyncio.create_task(following), asyncio.create_task(self._ended.wait())]
        with self._live or contextlib.nullcontext(), _keys(self._pressed, self._live is not None):
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                done = (await asyncio.gather(*tasks, return_exceptions=True))[0]
        if isinstance(done, Exception):
            raise done

    def picture(self) -> RenderableType:
        """Returns the current table."""
        height = self._console.height if self._console.is_terminal else _ENDLESS
        return render(self._state, height, result_width(self._console), marks_of(self._console))

    def take(self, update: StreamsUpdate) -> None:
        """Applies an update without printing anything."""
        self._state.streams.take(update)

    def update(self, update: StreamsUpdate, server: str = "") -> None:
        """Applies and shows an update; one of several servers is named."""
        state = self._state
        self._trouble.pop(server, None)
        state.lost = "; ".join(self._trouble.values())
        lines = list(plain_lines(state, update)) if self._live is None else []
        state.streams.take(update)
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)

    def lost(self, error: DetectionError, server: str = "") -> None:
        """Reports that a daemon cannot be reached at the moment."""
        why = cause(error.message) if error.code == "UNAVAILABLE" else error.message
        message = f"{server}: {why}" if server else why
        if self._live is None and server not in self._trouble:
            self._console.print(Text(f"no server, reconnecting: {message}"), soft_wrap=True)
        self._trouble[server] = message
        self._state.lost = "; ".join(self._trouble.values())

    def _pressed(self, key: str) -> None:
        if not self._state.press(key):
            self._ended.set()
        elif self._live is not None:
            self._live.refresh()


@contextlib.contextmanager
def _keys(pressed: Callable[[str], None], wanted: bool) -> Iterator[None]:
    """Reads keys one by one if there is a keyboard."""
    if not wanted or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    number, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def read() -> None:
        for key in os.read(number, 32).decode("latin-1"):
            pressed(key)

    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def render(state: WatchState, height: int, width: int, marks: Marks = UNICODE) -> RenderableType:
    """Draws the table with as many streams and columns as fit on a screen of this size."""
    rows = state.rows()
    running = list(state.streams.streams.values())
    alerted = sum(stream.alerted for stream in running)
    head = Text(f"{state.server}  {len(running)} streams", style="bold")
    head.append(f"  {alerted} with an alert", style="bold red" if alerted else "dim")
    head.append(f"  {len(state.streams.ended)} ended since", style="dim")
    order = f"{state.sort}, reversed" if state.reverse else state.sort
    head.append(f"  by {order}", style="dim")
    if state.text:
        head.append(f"  matching {state.text!r}", style="dim")
    if state.lost:
        head.append(f"\nno server, reconnecting: {state.lost}", style="yellow")
    columns = (
        Column("stream", least=12),
        Column("labels", least=12, rank=3),
        Column("for", right=True, rank=2),
        Column("last windows", rank=4),
        Column("rolling", right=True, rank=1),
        Column("whole", right=True),
        Column("so far"),
    )
    lines = [(stream, channel) for stream in rows for channel in stream.channels]
    room = max(1, height - 8)
    for stream, channel in lines[:room]:
        for column, cell in zip(columns, _cells(stream, channel, marks), strict=True):
            column.add(cell)
    table = fitted(columns, width)
    left = len(lines) - room
    foot = Text("s sort  r reverse  a alerts only  q quit", style="dim")
    if left > 0:
        foot.append(f"   {left} more below", style="yellow")
    return Group(head, table, foot)


def _cells(stream: WatchedStream, channel: WatchedChannel, marks: Marks) -> Iterable[Text]:
    style = "bold white on red" if channel.active_alerts else ""
    name = (
        stream.stream_id
        if len(stream.channels) == 1
        else (f"{stream.stream_id} [{channel.summary.channel}]")
    )
    yield Text(name, style=style)
    yield Text(_labels(stream).strip(), "dim")
    yield Text(words.clock(channel.summary.audio_seconds))
    yield sparks(channel.recent[-_SPARK_WIDTH:], marks)
    yield Text(words.probability(channel.rolling_score))
    yield Text(words.probability(channel.summary.cumulative_score))
    if channel.active_alerts:
        yield Text("ALERT", style=style)
    else:
        verdict = channel.summary.verdict
        yield Text(verdicts.verdict_name(verdict), style=_STYLES.get(verdict, "yellow"))


def sparks(points: Iterable[ScorePoint], marks: Marks = UNICODE) -> Text:
    """Draws windows as a row of bars: higher is more likely synthetic."""
    text = Text()
    for point in points:
        if point.window is None:
            text.append(marks.none, style="dim")
        else:
            text.append(marks.step(point.window), style="red" if point.window >= 0.5 else "green")
    return text


def plain_lines(state: WatchState, update: StreamsUpdate) -> Iterator[str]:
    """Yields a line whenever a stream begins, alerts, is cleared or ends.

    Args:
        state: the streams before the update.
        update: what changed since.
    """
    for stream in update.streams:
        if not stream.matches(state.text):
            continue
        known = state.streams.find(stream.key)
        if known is None and not state.alerts_only:
            yield f"{stream.stream_id}: began{_labels(stream)}"
        raised = stream.alerts_raised - (known.alerts_raised if known else 0)
        if raised > 0:
            yield f"{stream.stream_id}: ALERT at {words.clock(stream.audio_seconds)}"
        elif known is not None and known.alerted and not stream.alerted:
            yield f"{stream.stream_id}: alert cleared at {words.clock(stream.audio_seconds)}"
        if stream.end_reason and (stream.alerts_raised or not state.alerts_only):
            said = [verdicts.verdict(channel.summary) for channel in stream.channels]
            ended = stream.end_reason.replace("_", " ").lower()
            yield f"{stream.stream_id}: ended, {ended}. {' / '.join(said)}"


def _labels(stream: WatchedStream) -> str:
    said = " ".join(f"{name}={value}" for name, value in sorted(stream.labels.items()))
    return f" {said}" if said else ""
