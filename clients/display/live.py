"""What `dfd listen` shows: the meter on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from dfd.clients import events as ev
from dfd.clients.display import verdicts, words
from dfd.clients.display.inplace import InPlaceView
from dfd.clients.display.marks import marks_of
from dfd.clients.display.meter import MeterState, render


class ListenView(InPlaceView):
    """Draws a `MeterState` in place, or prints changes line by line."""

    def __init__(self, console: Console, state: MeterState) -> None:
        self._console = console
        self.state = state
        live = Live(get_renderable=self.picture, console=console, refresh_per_second=10)
        super().__init__(live if console.is_terminal else None)

    def picture(self) -> RenderableType:
        """Returns the meter as it stands."""
        return render(self.state, self._console.width, marks_of(self._console))

    def event(self, event: ev.Event) -> None:
        """Handles an event of the stream."""
        self.state.take(event)
        if self._live is None and (line := plain_line(event, self.state)):
            self._console.print(Text(line), soft_wrap=True)


def plain_line(event: ev.Event, state: MeterState) -> str:
    """Returns an event as a line of text; empty if it is not worth one."""
    match event:
        case ev.Started():
            return f"listening to {state.device}; {state.model} at {state.server}"
        case ev.WindowResult():
            where = f"{event.end_seconds:7.1f} s"
            if event.status is not ev.WindowStatus.SCORED:
                return f"{where}  {event.status.value.replace('_', ' ')}"
            return (
                f"{where}  window {words.probability(event.window_score)}"
                f"  rolling {words.probability(event.rolling_score)}"
                f"  stream {words.probability(event.cumulative_score)}  {state.verdict()}"
            )
        case ev.Alert():
            what = "cleared" if event.cleared else "ALERT"
            return f"{event.offset_seconds:7.1f} s  {what}: {words.alert(event)}"
        case ev.StreamWarning() | ev.ConnectionLost() | ev.Reconnected() | ev.AudioLost():
            return f"           {state.note}"
    return ""


def summary_lines(
    summary: ev.Summary, lost_seconds: float, rates: verdicts.Rates | None = None
) -> list[str]:
    """Returns the closing lines: the verdict, how far to trust it, and what it is based on."""
    lines = []
    for channel in summary.channels:
        lines.append(verdicts.verdict(channel, rates))
        if channel.verdict is not ev.Verdict.INCONCLUSIVE:
            lines.append(verdicts.rates_sentence(rates))
        score = channel.cumulative_score
        if score is not None:
            lines.append(
                f"P {score.spoof_probability:.3f} (1 is synthetic, 0 is human),"
                f" LLR {score.spoof_llr:.2f} (natural log)"
            )
        alert = channel.first_alert_seconds
        alerts = "no alert" if alert is None else f"first alert at {words.clock(alert)}"
        lines.append(
            f"{channel.audio_seconds:.1f} s heard, {channel.speech_seconds:.1f} s of it speech,"
            f" {channel.windows_scored} windows scored, {alerts}"
        )
        if channel.gap_seconds or lost_seconds:
            lines.append(f"{max(channel.gap_seconds, lost_seconds):.1f} s of audio were lost")
    if summary.end_reason is not ev.EndReason.CLIENT_DONE:
        lines.append(f"the server ended the stream: {summary.end_reason.value.replace('_', ' ')}")
    return lines
