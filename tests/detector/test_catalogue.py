from pathlib import Path

import pytest

from dfd.detector.catalogue import DETECTORS, PublicDetector, named

PAGE = Path(__file__).parents[2] / "docs" / "which-detector.md"


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_the_page_matches_the_catalogue(detector: PublicDetector) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    [row] = [line for line in lines if line.startswith(f"| {detector.name} | ")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert {f"{value:g}" for value in detector.eer.values()} <= set(cells)
    assert detector.licence in cells
    assert f"{detector.parameters / 1e6:.1f} M" in cells
    fetched = detector.url is not None or detector.hub_id is not None
    assert (f"`dfd models pull {detector.name}`" in cells) is fetched


def test_names_find_their_detector() -> None:
    assert all(named(one.name) is one for one in DETECTORS)
    assert named("bundled") is None
