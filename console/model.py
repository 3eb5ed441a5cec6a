"""The page of the model: what it is, how often it is wrong, its card."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nicegui import ui

from dfd.clients.display import verdicts
from dfd.clients.display.info import policy_words
from dfd.console import charts, frame
from dfd.console.hub import Hub


async def build(hub: Hub) -> None:
    """Builds the page."""
    info = await hub.refresh_info()
    with frame.page("/model", "Model"):
        if info is None or not info.models:
            with frame.panel():
                frame.Text(f"No daemon answers at {hub.server}.", "dfd-bad")
            return
        model = info.models[0]
        card = info.model_cards[0] if info.model_cards else ""
        with frame.panel():
            frame.heading(f"{model.name} {model.version}", 2)
            frame.Text(verdicts.rates_sentence(hub.rates), "dfd-lead").wrap()
            frame.Text(
                "Results may be worse for other voices, telephones, languages and attacks. A"
                " verdict is a"
                " reason to look closer, never a proof.",
                "dfd-soft",
            )
            facts = frame.Facts("window", "every", "rate", "runs on", "precision", "streams")
            facts.show(
                window=f"{model.window_seconds:g} s",
                every=f"{model.hop_seconds:g} s",
                rate=f"{model.sample_rate_hz / 1000:g} kHz",
                runs_on=model.device,
                precision=f"{model.precision}, {model.engine}",
                streams=f"{info.active_streams} of {info.max_streams}",
            )
            frame.Text(f"Alerts: {policy_words(info.default_alert_policy)}.", "dfd-soft")
            frame.Text(f"Weights: SHA-256 {model.weights_sha256}", "dfd-soft").wrap()
        for table in tables(card):
            with frame.panel():
                frame.heading(table.title, 2)
                chart = ui.echart(charts.bars(table.title, table.rows, table.unit))
                chart.style(f"height:{60 + 22 * len(table.rows)}px;width:100%")
                chart.props(f'role="img" aria-label="{table.unit} by {table.by}"')
        if card:
            with frame.panel().classes("dfd-card"):
                shifted = re.sub(r"^(#+ )", r"#\1", card, flags=re.MULTILINE)
                ui.markdown(shifted, extras=["tables"])


@dataclass(frozen=True, slots=True)
class Table:
    """A column of error rates from a card.

    Attributes:
        title: title of its section.
        by: meaning of the rows.
        unit: meaning of the figures.
    """

    title: str
    by: str
    unit: str
    rows: list[tuple[str, float]]


def tables(card: str) -> list[Table]:
    """Returns the tables of a card that have a column of equal error rates."""
    found: list[Table] = []
    title = "Errors"
    lines = card.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("#"):
            title = line.lstrip("#").strip()
        if not line.startswith("|") or not _is_rule(lines[at + 1] if at + 1 < len(lines) else ""):
            continue
        head = _cells(line)
        column = next((n for n, name in enumerate(head) if name.startswith("EER %")), None)
        if not column:
            continue
        rows = []
        for row in lines[at + 2 :]:
            if not row.startswith("|"):
                break
            cells = _cells(row)
            figure = cells[column] if column < len(cells) else ""
            if re.fullmatch(r"\d+(\.\d+)?", figure):
                rows.append((cells[0], float(figure)))
        if len(rows) > 1:
            found.append(Table(f"{title}: by {head[0]}", head[0], head[column], rows))
    return found


def _is_rule(line: str) -> bool:
    return bool(re.fullmatch(r"\|[\s:|-]+\|", line.strip()))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
