"""Writes the page beside trained weights: what they were made from, and how good they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfd.training.material.splits import Splits, sources

NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Made:
    """The content of a card. `figures` are rows of name and text."""

    title: str
    recipe: str
    summary: str
    backbone: str
    backbone_sha256: str
    seed: int
    figures: Sequence[tuple[str, str]]
    options: Mapping[str, Any]
    serve: str
    unreadable: Mapping[str, str]


def write_card(folder: Path, made: Made, splits: Splits) -> None:
    """Writes `README.md`."""
    lines = [
        f"# {made.title}",
        "",
        made.summary,
        "",
        made.serve,
        "",
        "| | |",
        "|---|---|",
        f"| recipe | `dfd train --recipe {made.recipe}` |",
        f"| backbone | `{made.backbone}`, weights sha256 {made.backbone_sha256[:16]} |",
        f"| data | {splits.name} |",
        f"| seed | {made.seed} |",
        "",
        "## Figures",
        "",
        "Measured on dev, which also selected the weights and fitted the calibration, so they are "
        "optimistic. Measure on data of your own with `dfd evaluate`.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in made.figures),
        "",
        "## Data",
        "",
        "| split | source | bona fide | spoof |",
        "|---|---|---|---|",
    ]
    for split, rows in (("train", splits.train), ("dev", splits.dev)):
        lines += [
            f"| {split} | {source} | {human} | {spoof} |" for source, human, spoof in sources(rows)
        ]
    lines += ["", f"Unreadable and left out: {len(made.unreadable)} files."]
    for file in sorted(made.unreadable)[:NAMED_AT_MOST]:
        lines.append(f"- `{file}`")
    if len(made.unreadable) > NAMED_AT_MOST:
        lines.append(f"- and {len(made.unreadable) - NAMED_AT_MOST} more")
    lines += ["", "## Options", "", "```json", json.dumps(made.options, indent=1), "```", ""]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
