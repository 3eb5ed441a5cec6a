from pathlib import Path

import pytest
import torch
from torch import Tensor

from dfd.detector.agreement import probabilities
from dfd.detector.files.read import read_checkpoint

from .conftest import CARD, MakeFolder


@pytest.mark.parametrize("padding", ["mask", "zero", "repeat"])
def test_every_signal_is_scored_and_no_batch_is_empty(
    padding: str, make_folder: MakeFolder
) -> None:
    """Short signals are repeated to the full length for some models, so that none is short."""
    folder: Path = make_folder(card={**CARD, "padding": padding})
    sizes: list[int] = []

    def compiled(windows: Tensor, lengths: Tensor | None) -> Tensor:
        sizes.append(len(windows))
        return torch.full([max(1, len(windows))], float(len(sizes)))

    found = probabilities(compiled, read_checkpoint(str(folder)), torch.device("cpu"))
    assert 0 not in sizes
    assert sum(sizes) == len(found)
    assert len(sizes) == (1 if padding == "repeat" else 2)
