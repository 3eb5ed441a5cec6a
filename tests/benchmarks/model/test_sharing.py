from pathlib import Path

import pytest

from dfd.benchmarks.model.networks import SIZES, write_random
from dfd.benchmarks.model.sharing import measure

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [32] * 7,
    "feat_extract_norm": "layer",
    "conv_bias": True,
}


def test_scores_are_the_same_with_and_without_sharing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "tiny", TINY)
    report = measure(write_random("tiny", tmp_path / "tiny"), rounds=2, threads=1)
    assert report["ratio"] > 0
    assert report["ms_per_window"]["apart"]["median"] > 0
    assert report["largest_difference"] < 1e-4
