#!/usr/bin/env python3
"""Copies inputs that `scripts/fuzz` found into the tests: the smallest of each target, one a line.

    scripts/keep-corpus.py CORPORA_FOLDER

CORPORA_FOLDER has a folder for each target, as `scripts/fuzz all SECONDS CORPORA_FOLDER` leaves it.
Only small inputs are kept: libFuzzer adds an input for each new branch, so little is lost.
"""

import base64
import sys
from pathlib import Path

KEPT = Path(__file__).parents[1] / "tests" / "fuzz" / "corpus"
_LARGEST_BYTES, _MOST_BYTES = 1500, 8000


def main() -> None:
    """Writes a file for each target."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: scripts/keep-corpus.py CORPORA_FOLDER")
    KEPT.mkdir(exist_ok=True)
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        found = sorted(
            {path.read_bytes() for path in folder.iterdir()}, key=lambda one: (len(one), one)
        )
        kept, size = [], 0
        for one in found:
            if len(one) > _LARGEST_BYTES or size + len(one) > _MOST_BYTES:
                break
            kept.append(base64.b64encode(one).decode())
            size += len(one)
        if kept:
            (KEPT / f"{folder.name}.txt").write_text("\n".join(kept) + "\n")


main()
