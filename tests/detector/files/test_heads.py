"""Heads of state dicts are recognised by the shapes of their tensors."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dfd.detector.files.layouts.linear_heads import find_head
from dfd.detector.networks.head import LinearHead, MlpHead, ProjectedMeanHead
from dfd.errors import UserError

Tensors = dict[str, Tensor]


def linear(name: str, inputs: int, outputs: int) -> Tensors:
    return {f"{name}.weight": torch.ones(outputs, inputs), f"{name}.bias": torch.ones(outputs)}


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [
        (linear("fc", 32, 2), LinearHead),
        (linear("0", 32, 8) | linear("3", 8, 2), MlpHead),
        (linear("b", 8, 2) | linear("a", 32, 8), MlpHead),
        (linear("a", 32, 32) | linear("b", 32, 2), MlpHead),
        (linear("m.projector", 32, 8) | linear("m.classifier", 8, 2), ProjectedMeanHead),
    ],
)
def test_heads_are_recognised_by_their_shapes(tensors: Tensors, kind: type) -> None:
    head = find_head(tensors, 32, Path("best.pt"))
    assert type(head.module) is kind
    assert sorted(head.names.values()) == sorted(tensors)


@pytest.mark.parametrize(
    "tensors",
    [
        linear("a", 32, 8) | linear("b", 9, 2),
        linear("a", 32, 8) | linear("b", 8, 4) | linear("c", 4, 2),
        linear("a", 32, 2) | linear("b", 32, 2),
    ],
)
def test_other_heads_are_refused(tensors: Tensors) -> None:
    with pytest.raises(UserError, match="its head is a "):
        find_head(tensors, 32, Path("best.pt"))
