"""Figures as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dfd.evaluation.pages import plots
from dfd.evaluation.pages.text import percent, subset

_MOST_BARS = 60
_TITLES = {
    "by_source": "By source",
    "by_system": "By system",
    "by_edition": "By edition",
    "by_kind": "By kind of system",
    "by_language": "By language",
    "by_attack": "By attack",
    "by_codec": "By codec",
    "by_transmission": "By transmission",
    "by_vocoder": "By vocoder",
    "by_speaker": "By speaker",
}


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One table of the page, worst group first; `published` are systems' EERs (%) by group."""

    name: str
    title: str
    against: str
    rows: list[tuple[str, dict[str, Any]]]
    chart: Markup | None
    published: list[tuple[str, dict[str, float]]]


def report(figures: dict[str, Any]) -> str:
    """Returns the page of the figures of an evaluation."""
    environment = Environment(
        loader=PackageLoader("dfd.evaluation.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: "" if value is None else percent(value)
    pooled, curves = figures["pooled"], figures["curves"]
    return environment.get_template("report.html").render(
        figures=figures,
        pooled=pooled,
        trials=subset(figures["trials"]),
        det=Markup(plots.det(curves["roc"], pooled["eer"])),
        roc=Markup(plots.roc_curve(curves["roc"], pooled["auc"])),
        histogram=Markup(plots.histogram(curves["histogram"], pooled.get("threshold"))),
        calibration=Markup(plots.calibration(curves["calibration"])),
        evidence=_evidence(figures.get("by_seconds"), "recordings"),
        streams=_evidence(figures.get("streams_by_seconds", {}).get("points"), "streams"),
        conditions=_conditions(figures.get("conditions", {})),
        breakdowns=list(_breakdowns(figures)),
        published=_published(figures),
    )


def _evidence(points: list[dict[str, Any]] | None, name: str) -> Markup | None:
    return Markup(plots.evidence(points, name)) if points else None


def _conditions(conditions: dict[str, dict[str, Any]]) -> Markup | None:
    rows = [(name, entry["eer"], None) for name, entry in conditions.items()]
    return Markup(plots.bars(rows, "conditions")) if rows else None


def _breakdowns(figures: dict[str, Any]) -> Iterator[Breakdown]:
    shown: set[str] = set()
    # a set's own name for its systems (attack, vocoder) takes precedence over the general one
    for name in sorted(figures["tables"], key=lambda name: name == "by_system"):
        table, groups = figures["tables"][name], figures[name]
        if table["by"] in shown or not any(groups):
            continue
        shown.add(table["by"])
        rows = sorted(
            ((key or "(not named)", entry) for key, entry in groups.items()),
            key=lambda row: (row[1]["eer"] is None, -(row[1]["eer"] or 0.0), row[0]),
        )
        measured = [
            (key, entry["eer"], entry.get("eer_interval"))
            for key, entry in rows
            if entry["eer"] is not None
        ]
        chart = Markup(plots.bars(measured, name)) if 1 < len(measured) <= _MOST_BARS else None
        beside = [
            (row["system"], row["groups"][name])
            for row in figures.get("published", ())
            if name in row["groups"]
        ]
        yield Breakdown(name, _TITLES[name], table["against"], rows, chart, beside)


def _published(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the published rows together with this run's own, best first."""
    rows = list(figures.get("published", ()))
    if not rows:
        return []
    model = figures.get("model", {}).get("name", "these scores")
    own = {
        "system": model,
        "eer_percent": 100 * figures["pooled"]["eer"],
        "min_tdcf": figures["pooled"].get("min_tdcf"),
        "source": "this run",
        "own": True,
    }
    return sorted([*rows, own], key=lambda row: float(row["eer_percent"]))
