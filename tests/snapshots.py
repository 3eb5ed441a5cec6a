"""Screens kept as text; `pytest --update-snapshots` writes them anew."""

from collections.abc import Mapping
from pathlib import Path

import pytest

UPDATE = "--update-snapshots"


def check(request: pytest.FixtureRequest, path: Path, screens: Mapping[str, str]) -> None:
    """Compares screens with those in a file.

    Args:
        request: of the test, which knows whether to write the file.
        path: the file.
        screens: what was drawn, by where, such as "60 columns".
    """
    found = "\n".join(
        f"=== {name} ===\n" + "".join(f"{line.rstrip()}\n" for line in screen.splitlines())
        for name, screen in screens.items()
    )
    if request.config.getoption(UPDATE):
        path.write_text(found, encoding="utf-8")
    assert path.is_file(), f"no {path}: run pytest with {UPDATE}, and look at what it writes"
    assert found == path.read_text(encoding="utf-8"), f"if this is meant, run pytest with {UPDATE}"
