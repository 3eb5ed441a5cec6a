"""The page of all running streams, and the page of a single one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nicegui import ui

from dfd.clients.display import verdicts, words
from dfd.clients.watching import WatchedStream
from dfd.console import charts, frame
from dfd.console.hub import Hub

_REFRESH_SECONDS = 1.0

_COLUMNS: list[dict[str, Any]] = [
    {"name": "stream", "label": "Stream", "field": "stream", "align": "left", "sortable": True},
    {"name": "labels", "label": "Labels", "field": "labels", "align": "left", "sortable": True},
    {"name": "length", "label": "Length", "field": "seconds", "align": "right", "sortable": True},
    {"name": "spark", "label": "Rolling score", "field": "rolling", "align": "left"},
    {"name": "whole", "label": "Whole", "field": "whole", "align": "right", "sortable": True},
    {"name": "state", "label": "So far", "field": "state", "align": "left", "sortable": True},
]

_SLOTS = {
    "body-cell-stream": """<q-td :props="props">
        <a class="plain" :href="'/calls/' + props.row.key">{{ props.row.stream }}</a></q-td>""",
    "body-cell-length": """<q-td :props="props">{{ props.row.length }}</q-td>""",
    "body-cell-spark": """<q-td :props="props"><svg width="96" height="24" aria-hidden="true"
        style="vertical-align:middle"><polyline :points="props.row.spark" fill="none"
        stroke="#d97706" stroke-width="2"/></svg>
        <span style="margin-left:.4rem">{{ props.row.rolling }}</span></q-td>""",
    "body-cell-state": """<q-td :props="props"><span :class="'dfd-' + props.row.colour"
        :style="{fontWeight: props.row.alert ? 700 : 400}">{{ props.row.state }}</span></q-td>""",
}


def build(hub: Hub, *, history: bool) -> None:
    """Builds the page of all streams.

    Args:
        hub: the connection to the daemon.
        history: whether there is a page of finished calls.
    """
    with frame.page("/calls", "Calls"):
        with frame.panel():
            counts = frame.Text("", live="polite")
            with ui.element("div").classes("dfd-row"):
                text = (
                    ui.input("Filter by id, label or address")
                    .props("dense outlined clearable debounce=200 type=search")
                    .style("flex:1;min-width:14rem")
                )
                ended = ui.switch("Show ended")
                if history:
                    ui.link("History", "/calls/history").classes("plain")
            table = (
                ui.table(rows=[], columns=_columns(hub), row_key="key", pagination=50)
                .props(
                    'flat dense wrap-cells binary-state-sort table-header-style="text-align:left"'
                )
                .classes("dfd-table")
            )
            for name, template in _SLOTS.items():
                table.add_slot(name, template)
        seen: dict[str, Any] = {}

        def refresh() -> None:
            now = {"version": hub.version, "text": text.value, "ended": ended.value}
            if now == seen:
                return
            seen.update(now)
            running = list(hub.streams.streams.values())
            alerted = sum(stream.alerted for stream in running)
            status = f"{len(running)} running, {alerted} with an alert."
            if hub.trouble:
                status = f"{status} {hub.trouble}" if hub.reached else hub.trouble
            counts.show(status, "bad" if hub.trouble or alerted else "")
            streams = running + (list(hub.streams.ended.values())[::-1] if ended.value else [])
            table.rows = rows(hub, streams, text.value or "")
            table.update()

        ui.timer(_REFRESH_SECONDS, refresh)
        text.on_value_change(refresh)
        ended.on_value_change(refresh)
        refresh()


def _columns(hub: Hub) -> list[dict[str, Any]]:
    """Returns the columns; one for the node if there are several."""
    if len(hub.servers) == 1:
        return _COLUMNS
    node = {"name": "node", "label": "Node", "field": "node", "align": "left", "sortable": True}
    return [_COLUMNS[0], node, *_COLUMNS[1:]]


def rows(hub: Hub, streams: Iterable[WatchedStream], text: str) -> list[dict[str, Any]]:
    """Returns table rows: streams with alerts first, then running ones, highest score first."""
    found = [stream for stream in streams if stream.matches(text)]
    found.sort(key=lambda s: (not s.alerted, bool(s.end_reason), -(s.cumulative or 0.0), s.key))
    return [_row(hub, stream) for stream in found]


def _row(hub: Hub, stream: WatchedStream) -> dict[str, Any]:
    state = _state(hub, stream)
    worst = max(stream.channels, key=lambda channel: _score(channel.rolling_score), default=None)
    return {
        "key": stream.key,
        "stream": stream.stream_id,
        "node": hub.place(stream.key),
        "labels": ", ".join(f"{name}={value}" for name, value in sorted(stream.labels.items())),
        "seconds": round(stream.audio_seconds, 1),
        "length": words.clock(stream.audio_seconds),
        "spark": "" if worst is None else charts.sparkline(worst.recent),
        "rolling": "-" if stream.rolling is None else f"{stream.rolling:.2f}",
        "whole": "-" if stream.cumulative is None else f"{stream.cumulative:.2f}",
        "state": state,
        "alert": stream.alerted,
        "colour": "bad" if stream.alerted else frame.colour(state),
    }


def _score(score: Any) -> float:
    return -1.0 if score is None else float(score.spoof_probability)


def _state(hub: Hub, stream: WatchedStream) -> str:
    if stream.alerted and not stream.end_reason:
        return "ALERT"
    found = {verdicts.verdict(channel.summary, _rates(hub, stream)) for channel in stream.channels}
    ended = "Ended. " if stream.end_reason else ""
    return ended + " / ".join(sorted(found))


def _rates(hub: Hub, stream: WatchedStream) -> verdicts.Rates | None:
    model = hub.model(stream.model)
    rates = None if model is None else model.error_rates
    return verdicts.rates_at(rates, stream.alert_policy.cumulative_threshold)


def build_one(hub: Hub, key: str) -> None:
    """Builds the page of a single stream."""
    stream = hub.streams.find(key)
    with frame.page("/calls", stream.stream_id if stream is not None else "Call"):
        ui.link("All calls", "/calls").classes("plain")
        if stream is None:
            with frame.panel():
                frame.Text("This call is unknown: it ended before the console was started.")
            return
        alert = frame.Text(classes="dfd-alert", live="assertive")
        with frame.panel():
            state = frame.Text(classes="dfd-verdict", live="polite")
            frame.Text(verdicts.rates_sentence(_rates(hub, stream)), "dfd-soft")
            facts = frame.Facts("length", "speech", "rolling", "whole", "alerts", "windows scored")
            labels = ", ".join(f"{name}: {value}" for name, value in sorted(stream.labels.items()))
            audio = stream.audio_format
            shape = f"{audio.encoding}, {audio.sample_rate_hz} Hz" if audio else "unknown format"
            started = stream.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")
            node = hub.place(key)
            judge = f"{stream.model} at {node}" if node else stream.model
            text = f"Since {started} from {stream.peer}, {shape}, judged by {judge}. {labels}"
            frame.Text(text, "dfd-soft").wrap()
        plots = []
        for channel in stream.channels:
            with frame.panel():
                number = channel.summary.channel
                frame.heading(f"Channel {number}" if len(stream.channels) > 1 else "Time line", 2)
                chart = ui.echart({}).style("height:300px;width:100%")
                chart.props('role="img" aria-label="Scores over time"')
                plots.append(chart)
        seen = {"version": -1}

        def refresh() -> None:
            now = hub.streams.find(key)
            if now is None or seen["version"] == hub.version:
                return
            seen["version"] = hub.version
            text = _state(hub, now)
            state.show(text, "bad" if now.alerted else frame.colour(text))
            raised = [one for channel in now.channels for one in channel.active_alerts]
            alert.visible(bool(raised))
            if raised:
                alert.show(
                    f"Alert since {words.clock(raised[0].offset_seconds)}: {words.alert(raised[0])}"
                )
            speech = max((c.summary.speech_seconds for c in now.channels), default=0.0)
            facts.show(
                length=words.clock(now.audio_seconds),
                speech=f"{speech:.1f} s",
                rolling="-" if now.rolling is None else f"{now.rolling:.3f}",
                whole="-" if now.cumulative is None else f"{now.cumulative:.3f}",
                alerts=str(now.alerts_raised),
                windows_scored=str(sum(c.summary.windows_scored for c in now.channels)),
            )
            for chart, channel in zip(plots, now.channels, strict=False):
                chart.options.clear()
                chart.options.update(
                    charts.scores(
                        channel.recent,
                        rolling_threshold=now.alert_policy.rolling_threshold,
                        cumulative_threshold=now.alert_policy.cumulative_threshold,
                        alerts=[
                            (one.offset_seconds, str(one.trigger)) for one in channel.active_alerts
                        ],
                    )
                )
                chart.update()

        refresh()
        ui.timer(_REFRESH_SECONDS, refresh)
