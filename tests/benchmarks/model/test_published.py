"""Published layouts at their true size, with random weights, and their plain eager form."""

import json
from pathlib import Path

import pytest

from dfd.benchmarks.model.families import FAMILIES
from dfd.benchmarks.model.published import PUBLISHED, write_published
from dfd.detector.files.read import read_checkpoint
from tests.clients.command import dfd_here


@pytest.mark.parametrize(
    ("name", "thousands"), [("aasist", 297), ("aasist-l", 85), ("rawgat-st", 437)]
)
def test_a_small_network_has_its_published_size(name: str, thousands: int, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(str(write_published(name, tmp_path)))
    assert checkpoint.layout == name.removesuffix("-l")
    count = sum(value.numel() for value in checkpoint.network.parameters())
    assert count // 1000 == thousands


def test_every_layout_that_the_command_names_exists() -> None:
    shown = "".join(dfd_here("bench", "model", "--help").out.split())  # folded at hyphens too
    for name in (*PUBLISHED, *FAMILIES):
        assert name in shown


@pytest.mark.slow
def test_it_is_measured_together_with_its_eager_form(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = dfd_here(
        *("bench", "model", "--quick", "--model", "aasist-l", "--peer", "eager"),
        *("--batch", "1", "--precision", "fp32", "--threads", "1", "--report", report),
    )
    assert done.status == 0, done
    rows = {row["engine"]: row for row in json.loads(report.read_text())["results"]}
    assert rows["torchscript"]["ratio"]["to"] == "eager fp32"
    assert rows["torchscript"]["ratio"]["median"] > 0.0
    assert "ratio" not in rows["eager"]
