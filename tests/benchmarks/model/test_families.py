"""Small models of transformers' families, measured next to transformers or their eager form."""

import json
from pathlib import Path

import pytest
import torch

from dfd.benchmarks.model import families
from dfd.benchmarks.model.peers import EAGER, TRANSFORMERS, PeerMissingError, make_peer

pytest.importorskip("transformers", reason="pip install 'dfd[train]'")
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "output_hidden_size": 32,
}
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", families.FAMILIES)
def test_each_has_a_peer(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, _ = families.FAMILIES[name]
    monkeypatch.setitem(families.FAMILIES, name, (kind, SMALL))
    folder = families.write_family(name, tmp_path / name)
    assert json.loads((folder / "config.json").read_text())["model_type"] == kind
    runs, refuses = TRANSFORMERS, EAGER
    if not families.takes_samples(folder):
        runs, refuses = EAGER, TRANSFORMERS
    peer = make_peer(runs, folder, CPU, None)[0]
    windows = 0.1 * torch.randn(2, 16_000)
    assert len(peer.score(windows.numpy())) == 2  # type: ignore[arg-type]
    with pytest.raises(PeerMissingError):
        make_peer(refuses, folder, CPU, None)
