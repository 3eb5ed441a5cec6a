"""Figures in a few lines of plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lines_of(figures: dict[str, Any]) -> Iterator[str]:
    """Yields the lines that are shown on the terminal after an evaluation."""
    pooled, trials = figures["pooled"], figures["trials"]
    low_high = pooled.get("eer_interval")
    interval = f" ({percent(low_high[0])} to {percent(low_high[1])})" if low_high else ""
    within = figures["within_source_mean_eer"]
    missing = figures["unreadable"]["count"]
    parts = figures.get("incomplete", {}).get("count", 0)
    yield (
        f"EER {percent(pooled['eer'])} %{interval} pooled"
        + ("" if within is None else f", {percent(within)} % mean within sources")
        + f": {pooled['n_bonafide']} bona fide, {pooled['n_spoof']} spoof"
        + (f", {missing} without a score" if missing else "")
        + (f", {parts} incomplete" if parts else "")
    )
    yield subset(trials)
    if "min_tdcf" in pooled:
        yield f"min t-DCF {pooled['min_tdcf']:.4f} (2019), min DCF {pooled['min_dcf']:.4f}"
    if "false_alarm_rate" in pooled:
        yield (
            f"at P(spoof) {pooled['threshold']:.4g}: {percent(pooled['false_alarm_rate'])} % of"
            f" bona fide recordings alert, {percent(pooled['miss_rate'])} % of spoofs do not"
        )
    for point in figures.get("by_seconds", ()):
        if point["eer"] is not None:
            note = " (all recordings are shorter)" if point["all_there_is"] else ""
            yield f"after {point['seconds']:g} s: EER {percent(point['eer'])} %{note}"
    for name, row in figures.get("conditions", {}).items():
        yield f"{name}: EER {percent(row['eer'])} % ({100 * row['eer_minus_clean']:+.2f} points)"
    for name, reason in figures.get("conditions_missing", {}).items():
        yield f"{name}: not available here: {reason}"
    if streams := figures.get("long_streams"):
        rate = streams["alerts_per_hour"]
        yield (
            f"{streams['alerts']} false alerts in {streams['hours']:.2f} h of human speech"
            + (
                ""
                if rate is None
                else ", {:.1f} an hour (95 %: {:.1f} to {:.1f})".format(
                    rate, *streams["alerts_per_hour_interval"]
                )
            )
        )
    for row in figures.get("published", ()):
        yield f"published: {row['system']} {row['eer_percent']:.2f} % ({row['source']})"
    if "published" in figures and not figures["published"]:
        yield f"published: no figures are known for {trials['dataset']}"
    if pooled["eer"] > 0.5 and "scores" in figures:
        yield "EER above 50 %: if a higher score means spoof in this file, use --higher-means spoof"


def subset(trials: dict[str, Any]) -> str:
    """Describes the trials, and whether they are as many as those of published figures."""
    known = trials["official_count"]
    if known is None:
        size = f"{trials['listed']:,} trials"
    elif known == trials["listed"]:
        size = f"all {known:,} trials"
    else:
        size = f"{trials['listed']:,} trials, where the published set has {known:,}"
    return f"{trials['dataset']}, {trials['subset']}: {size}, list sha256 {trials['sha256'][:12]}"


def percent(value: float) -> str:
    """Formats a share as a percentage with two decimals, without the sign."""
    return f"{100 * value:.2f}"
