"""The HTML report on a telephone: nothing overflows, and everything is legible."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from dfd.cli.main import cli

WIDTH = 360
# CSS pixels below which text is not legible on a telephone
SMALLEST = 8.0

_MEASURE = """
const smallest = (all, size) => Math.min(...[...document.querySelectorAll(all)]
    .filter((e) => e.textContent.trim() && e.getBoundingClientRect().width).map(size));
return {
    page: document.documentElement.scrollWidth,
    text: smallest("p, td, th, dd, dt, figcaption, .name, .value, .note",
        (e) => parseFloat(getComputedStyle(e).fontSize)),
    labels: smallest("svg text", (e) => parseFloat(getComputedStyle(e).fontSize)
        * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b)),
    drawings: document.querySelectorAll("svg text").length,
    beyond: [...document.querySelectorAll("figure, .table, .card, h1, h2, p")]
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5).length,
};
"""


@pytest.fixture(scope="module")
def telephone() -> Iterator[Any]:
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="no selenium: pip install selenium"
    )
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    os.environ.setdefault("SE_OFFLINE", "true")
    service = webdriver.chrome.service.Service(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    metrics = {"width": WIDTH, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    yield driver
    driver.quit()


@pytest.mark.slow
def test_the_report_can_be_read_on_a_telephone(telephone: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [f"LA_E_{n} - bonafide {score:.4f}" for n, score in enumerate(rng.normal(2, 1, 60))]
    rows += [
        f"LA_E_{60 + n} A{7 + n % 13:02} spoof {score:.4f}"
        for n, score in enumerate(rng.normal(0, 1, 60))
    ]
    scores, page = tmp_path / "scores.txt", tmp_path / "report.html"
    scores.write_text("\n".join(rows) + "\n")
    words = ["evaluate", "--scores-in", str(scores), "--html", str(page)]
    done = click.testing.CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    telephone.get(page.as_uri())
    found = telephone.execute_script(_MEASURE)
    assert found["drawings"] > 20
    assert found["page"] <= WIDTH, found
    assert found["beyond"] == 0, found
    assert found["text"] >= 11, found
    assert found["labels"] >= SMALLEST, found
