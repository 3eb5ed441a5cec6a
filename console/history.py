"""The page of calls that are over, from the daemon's journal."""

from __future__ import annotations

import asyncio
from typing import Any

from nicegui import ui

from dfd.clients.display import words
from dfd.console import frame
from dfd.console.options import Reader
from dfd.errors import UserError

_VERDICTS = {"": "any verdict", "spoof": "spoof", "bonafide": "bona fide",
             "inconclusive": "inconclusive"}  # fmt: skip
_COLOURS = {"spoof": "bad", "bonafide": "good"}

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
    """The page."""
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
            table.add_slot("body-cell-length", '<q-td :props="props">{{ props.row.length }}</q-td>')
            table.add_slot(
                "body-cell-verdict",
                '<q-td :props="props"><span :class="\'dfd-\' + props.row.colour">'
                "{{ props.row.verdict }}</span></q-td>",
            )

        async def search() -> None:
            try:
                found = await asyncio.to_thread(
                    read, text.value or "", verdict.value or None, alerted.value
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
    """A row for each channel of a call; one where it has no summary."""
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
                "began": call["started_at"][:19].replace("T", " "),
                "stream": call["stream_id"] + (f" [{number}]" if several else ""),
                "labels": ", ".join(f"{name}={value}" for name, value in sorted(labels.items())),
                "seconds": round(seconds, 1),
                "length": words.clock(seconds),
                "verdict": verdict,
                "colour": _COLOURS.get(verdict, "unsure"),
                "score": "-" if probability is None else f"{probability:.3f}",
                "alerts": len(raised),
                "end": (call["end"] or "running").replace("_", " "),
            }
        )
    return made
