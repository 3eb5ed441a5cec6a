"""The pages of finished calls, from the daemon's journal."""

from __future__ import annotations

import asyncio
from typing import Any

from nicegui import ui

from dfd.clients import history
from dfd.clients.display import verdicts, words
from dfd.clients.display.casefile import sources
from dfd.console import charts, frame
from dfd.console.options import Reader
from dfd.errors import UserError

_VERDICTS = {"": "any verdict", "spoof": "synthetic", "bonafide": "human",
             "inconclusive": "cannot tell"}  # fmt: skip
_COLOURS = {"spoof": "bad", "bonafide": "good"}

_STREAM = """<q-td :props="props"><a class="plain" :href="'/calls/history/' + props.row.call">
    {{ props.row.stream }}</a></q-td>"""

_COLUMNS: list[dict[str, Any]] = [
    {"name": "began", "label": "Began (UTC)", "field": "began", "align": "left", "sortable": True},
    {"name": "stream", "label": "Stream", "field": "stream", "align": "left", "sortable": True},
    {"name": "labels", "label": "Labels", "field": "labels", "align": "left"},
    {"name": "length", "label": "Length", "field": "seconds", "align": "right", "sortable": True},
    {"name": "verdict", "label": "Verdict", "field": "verdict", "align": "left", "sortable": True},
    {"name": "score", "label": "P(spoof)", "field": "score", "align": "right", "sortable": True},
    {"name": "alerts", "label": "Alerts", "field": "alerts", "align": "right", "sortable": True},
    {"name": "end", "label": "End", "field": "end", "align": "left"},
]


def build(read: Reader) -> None:
    """Builds the page."""
    with frame.page("/calls", "History"):
        ui.link("Running calls", "/calls").classes("plain")
        with frame.panel():
            with ui.element("div").classes("dfd-row"):
                text = ui.input("Search ids, labels and addresses")
                text.props("dense outlined clearable debounce=300 type=search")
                text.style("flex:1;min-width:14rem")
                verdict = ui.select(_VERDICTS, value="", label="Verdict").props("dense outlined")
                verdict.style("min-width:10rem")
                alerted = ui.switch("Alerts only")
            status = frame.Text(live="polite")
            table = ui.table(rows=[], columns=_COLUMNS, row_key="key", pagination=50)
            table.props("flat dense wrap-cells binary-state-sort").classes("dfd-table")
            table.add_slot("body-cell-stream", _STREAM)
            table.add_slot("body-cell-length", '<q-td :props="props">{{ props.row.length }}</q-td>')
            table.add_slot(
                "body-cell-verdict",
                '<q-td :props="props"><span :class="\'dfd-\' + props.row.colour">'
                "{{ props.row.verdict }}</span></q-td>",
            )

        async def search() -> None:
            try:
                found = await asyncio.to_thread(
                    read.search, text.value or "", verdict.value or None, alerted.value
                )
            except UserError as error:
                status.show(str(error), "bad")
                return
            table.rows = [row for call in found for row in rows(call)]
            table.update()
            status.show(f"{len(found)} {'call' if len(found) == 1 else 'calls'}")

        for element in (text, verdict, alerted):
            element.on_value_change(search)
        ui.timer(0.0, search, once=True)


def rows(call: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a row for each channel of a call, or one row if it has no summary."""
    labels = call["labels"] or {}
    made = []
    for channel in call["channels"] or [{}]:
        number, seconds = channel.get("channel", 0), call.get("audio_seconds") or 0.0
        verdict = channel.get("verdict") or "-"
        probability = channel.get("spoof_probability")
        raised = [a for a in call["alerts"] if not a["cleared"] and a["channel"] == number]
        several = len(call["channels"]) > 1
        made.append(
            {
                "key": f"{call['call']}/{number}",
                "call": call["call"],
                "began": call["started_at"][:19].replace("T", " "),
                "stream": call["stream_id"] + (f" [{number}]" if several else ""),
                "labels": ", ".join(f"{name}={value}" for name, value in sorted(labels.items())),
                "seconds": round(seconds, 1),
                "length": words.clock(seconds),
                "verdict": verdicts.verdict_name(verdict) if verdict != "-" else "-",
                "colour": _COLOURS.get(verdict, "unsure"),
                "score": "-" if probability is None else f"{probability:.3f}",
                "alerts": len(raised),
                "end": (call["end"] or "running").replace("_", " "),
            }
        )
    return made


async def build_one(read: Reader, key: str) -> None:
    """Builds the page of a single call from the journal."""
    try:
        record = await asyncio.to_thread(read.call, key)
        trouble = "The journal has no such call; it may have been deleted."
    except UserError as error:
        record, trouble = None, str(error)
    with frame.page("/calls", "Call" if record is None else record["stream_id"]):
        ui.link("History", "/calls/history").classes("plain")
        if record is None:
            with frame.panel():
                frame.Text(trouble)
            return
        call = history.call(record)
        started = call.started
        rates = None if started is None else verdicts.rates_in_force(started)
        with frame.panel():
            frame.Text(verdicts.rates_sentence(rates), "dfd-soft")
            began = call.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")
            labels = ", ".join(f"{name}: {value}" for name, value in sorted(call.labels.items()))
            end = call.end.replace("_", " ") or "no end known"
            text = f"{began}, {words.clock(call.seconds)} from {call.peer}; {end}. {labels}"
            frame.Text(text, "dfd-soft").wrap()
            model = f"{call.model} {call.model_version}, weights {call.weights_sha256[:16]}..."
            frame.Text(f"Judged by {model}", "dfd-soft").wrap()
            frame.report_button(lambda: sources.from_history(call))
        for channel in call.channels:
            _channel(call, channel, rates)


def _channel(call: history.Call, channel: history.Channel, rates: verdicts.Rates | None) -> None:
    policy = None if call.started is None else call.started.alert_policy
    raised = [alert for alert in channel.alerts if not alert.cleared]
    with frame.panel():
        number = f"Channel {channel.number}" if len(call.channels) > 1 else "Time line"
        frame.heading(number, 2)
        text = verdicts.CUT_OFF
        if channel.summary is not None:
            text = verdicts.verdict(channel.summary, rates)
        frame.Text(classes="dfd-verdict").show(text, frame.colour(text))
        facts = frame.Facts("P(spoof)", "LLR", "speech", "windows scored", "alerts")
        summary = channel.summary
        score = None if summary is None else summary.cumulative_score
        facts.show(
            **{
                "P(spoof)": words.probability(score),
                "LLR": "-" if score is None else f"{score.spoof_llr:+.2f}",
                "speech": "-" if summary is None else f"{summary.speech_seconds:.1f} s",
                "windows scored": "-" if summary is None else str(summary.windows_scored),
                "alerts": str(len(raised)),
            }
        )
        if not channel.points:
            frame.Text("The journal has no scores over time for this call.", "dfd-soft")
            return
        chart = charts.scores(
            channel.points,
            rolling_threshold=None if policy is None else policy.rolling_threshold,
            cumulative_threshold=None if policy is None else policy.cumulative_threshold,
            alerts=[(alert.offset_seconds, str(alert.trigger)) for alert in raised],
            seconds=call.seconds,
        )
        made = ui.echart(chart).style("height:300px;width:100%")
        made.props('role="img" aria-label="Scores over time"')
        if channel.every > 1:
            frame.Text(f"One in {channel.every} of its windows is shown.", "dfd-soft")
