"""Cards of single files."""

import json
from pathlib import Path

import torch

from dfd.detector.files.state_dict import read
from tests.detector.files.layouts.test_raw_waveform import rawnet2_state


def test_a_files_own_card_precedes_the_folders(tmp_path: Path) -> None:
    for name in ("one.pth", "two.pth"):
        torch.save(rawnet2_state(), tmp_path / name)
    (tmp_path / "dfd.json").write_text(json.dumps({"rolling_threshold": 0.7}))
    (tmp_path / "two.dfd.json").write_text(json.dumps({"rolling_threshold": 0.9}))
    assert read(tmp_path / "one.pth").card.rolling_threshold == 0.7
    assert read(tmp_path / "two.pth").card.rolling_threshold == 0.9
