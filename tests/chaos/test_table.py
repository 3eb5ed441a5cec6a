"""docs/reliability.md and the tests of faults name each other."""

import re
from pathlib import Path

from tests.chaos.daemon import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = set(re.findall(r"`(test_\w+)`", PAGE))


def _tests(path: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))


def test_every_test_that_the_page_names_exists() -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    known = {path.stem for path in files}.union(*map(_tests, files))
    assert sorted(NAMED - known) == []


def test_every_test_of_a_fault_is_on_the_page() -> None:
    own = _tests(Path(__file__))
    found = set[str]().union(*map(_tests, Path(__file__).parent.glob("test_*.py")))
    assert sorted(found - NAMED - own) == []
