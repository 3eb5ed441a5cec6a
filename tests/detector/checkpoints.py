"""Checkpoints of published layouts: real ones if available, otherwise random tensors."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

_SHARED = Path(__file__).parents[2].parent / "shared"
CHECKPOINTS = Path(os.environ.get("DFD_CHECKPOINTS", _SHARED / "checkpoints"))
CORPUS = Path(os.environ.get("DFD_CORPUS", _SHARED / "corpus"))

needs_checkpoints = pytest.mark.skipif(
    not (CHECKPOINTS / "AASIST.pth").exists() or not (CORPUS / "dev").exists(),
    reason="needs the published weights and the corpus: "
    "set DFD_CHECKPOINTS and DFD_CORPUS to their folders",
)


def random_state(network: nn.Module, seed: int = 1, spread: float = 1.0) -> dict[str, Tensor]:
    """Makes random tensors for a network that keep its activations in a sensible range."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in network.state_dict().items():
        if not value.dtype.is_floating_point:
            state[name] = value
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(value.shape, generator=generator)
        elif value.dim() < 2:
            state[name] = 0.5 * torch.randn(value.shape, generator=generator)
            if name.endswith("weight"):
                state[name] += 1.0
        else:
            inputs = value[0].numel() if value.shape[0] > 1 or value.dim() > 2 else value.numel()
            noise = torch.randn(value.shape, generator=generator)
            state[name] = spread * noise / max(1, inputs) ** 0.5
    return state
