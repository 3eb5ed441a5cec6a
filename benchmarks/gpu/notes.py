"""A part's figures, written to disk as soon as they are known."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


class Notes:
    """Figures that are all written after each change, so that a stopped part keeps them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.figures: Figures = {}

    def put(self, name: str, value: Any) -> None:
        """Sets a figure."""
        self.figures[name] = value
        self._write()

    def add(self, name: str, row: Any) -> None:
        """Adds a row to a list of figures."""
        self.figures.setdefault(name, []).append(row)
        self._write()

    def _write(self) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self.figures, indent=1))
        os.replace(beside, self._path)


@dataclass(frozen=True, slots=True)
class Part:
    """The arguments of a part.

    Attributes:
        device: "cuda", "cuda:N" or "cpu".
        quick: whether only to show that it works.
        work: a folder that the parts of one run share.
    """

    notes: Notes
    device: str
    quick: bool
    work: Path
    _ends_at: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the part is stopped."""
        return self._ends_at - time.monotonic()

    @property
    def on_card(self) -> bool:
        """Whether a graphics card is measured."""
        return self.device.startswith("cuda")

    def tell(self, line: str) -> None:
        """Shows progress."""
        print(f"  {line}", file=sys.stderr, flush=True)


def start(arguments: Sequence[str] | None = None) -> Part:
    """Reads a part's command line, as `run` writes it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    return Part(
        Notes(given.notes), given.device, given.quick, given.work, time.monotonic() + given.seconds
    )


def read(path: Path) -> Figures:
    """Reads a part's figures; none if it wrote none."""
    if not path.exists():
        return {}
    found: Figures = json.loads(path.read_text())
    return found
