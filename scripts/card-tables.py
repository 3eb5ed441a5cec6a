"""Prints the tables of a model card as Markdown, from the reports of `dfd evaluate --report`.

    python scripts/card-tables.py DEV.json [CONDITIONS.json]

The second report may have conditions for only a part of the trials.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# tables of spoofs only, compared with all human recordings
AGAINST_ALL = ("by_kind", "by_system")


def percent(value: float | None) -> str:
    """Formats a share in percent; empty if there is none."""
    return "" if value is None else f"{100 * value:.1f}"


def table(heads: list[str], rows: Iterable[list[str]]) -> None:
    """Prints a table."""
    print("\n| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def pooled(figures: dict[str, Any]) -> None:
    """Prints the figures of all recordings together."""
    p = figures["pooled"]
    low, high = p["eer_interval"]
    rows = [
        ["pooled EER", f"{percent(p['eer'])} % (95 % interval {percent(low)} to {percent(high)})"],
        [
            "mean EER within the sources that have both labels",
            f"{percent(figures['within_source_mean_eer'])} %",
        ],
        ["AUC", f"{p['auc']:.3f}"],
        ["min DCF (ASVspoof 5)", f"{p['min_dcf']:.3f}"],
        ["Cllr / minCllr", f"{p['cllr']:.3f} / {p['min_cllr']:.3f} bits"],
        [
            "ECE, calibrated on dev / on the other half",
            f"{percent(p['ece'])} % / {percent(p['ece_crossed_halves'])} %",
        ],
        [
            f"at P(spoof) {p['threshold']}",
            f"{percent(p['false_alarm_rate'])} % of human recordings alert, "
            f"{percent(p['miss_rate'])} % of synthetic ones do not",
        ],
    ]
    if long := figures.get("long_streams"):
        rows.append(
            [
                "false alerts on long human streams",
                f"{long['alerts']} in {long['hours']:.2f} h, 95 % interval "
                "{:.1f} to {:.1f} per hour".format(*long["alerts_per_hour_interval"]),
            ]
        )
    table(["figure", "dev"], rows)


def seconds(figures: dict[str, Any]) -> None:
    """Prints figures by seconds of audio: of recordings, and of streams of one speaker."""
    missed = "missed % at 1 % of people alarmed"
    rows = [
        [f"{point['seconds']:g}", percent(point["eer"]), percent(point["miss_rate_at_1_percent"])]
        for point in figures["by_seconds"]
        if not point["all_there_is"] or point["seconds"] <= 4
    ]
    table(["seconds heard", "EER %", missed], rows)
    rows = [
        [
            f"{point['seconds']:g}",
            percent(point["eer"]),
            percent(point["miss_rate_at_1_percent"]),
            *(median(point[f"llr_quartiles_{word}"]) for word in ("bonafide", "spoof")),
        ]
        for point in figures.get("streams_by_seconds", {}).get("points", [])
    ]
    if rows:
        heads = ["seconds heard", "EER % of the cumulative score", missed]
        table([*heads, "median LLR, human", "median LLR, synthetic"], rows)


def median(quartiles: list[float] | None) -> str:
    """Formats the second of three quartiles; empty if there are none."""
    return "" if quartiles is None else f"{quartiles[1]:.2f}"


def groups(figures: dict[str, Any], key: str) -> None:
    """Prints one row for each source or system."""
    found = figures[key].items()
    if key == "by_system":
        found = sorted(found, key=lambda item: item[1]["eer"] or 0.0)
    rows = []
    for name, group in found:
        counts = [str(group["n_bonafide"]), str(group["n_spoof"])]
        rates = [percent(group["eer"]), percent(group.get("false_alarm_rate"))]
        missed = percent(group.get("miss_rate"))
        if key in AGAINST_ALL:
            rows.append([name, counts[1], rates[0], missed])
        else:
            rows.append([name or "not stated", *counts, *rates, missed])
    title = key.removeprefix("by_")
    heads = [title, "human", "spoof", "EER %", "false alarms %", "missed %"]
    table([title, "n", "EER %", "missed %"] if key in AGAINST_ALL else heads, rows)


def conditions(figures: dict[str, Any]) -> None:
    """Prints each condition in comparison with clean audio."""
    found = figures["conditions"]
    clean = found["clean"]["eer"]
    rows = [
        [
            name,
            percent(entry["eer"]),
            f"{100 * (entry['eer'] - clean):+.1f}",
            percent(entry["within_source_mean_eer"]),
            percent(entry["false_alarm_rate"]),
            percent(entry["miss_rate"]),
        ]
        for name, entry in found.items()
    ]
    table(["condition", "EER %", "against clean", "within %", "false alarms %", "missed %"], rows)


def main() -> None:
    """Prints all tables."""
    figures = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    if not figures:
        raise SystemExit(__doc__)
    pooled(figures[0])
    seconds(figures[0])
    for other in figures:
        if "conditions" in other:
            conditions(other)
    for key in ("by_edition", "by_kind", "by_language", "by_source", "by_system"):
        if figures[0].get(key):
            groups(figures[0], key)


if __name__ == "__main__":
    main()
