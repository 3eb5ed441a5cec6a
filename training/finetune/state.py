"""Everything that a resumed run needs to continue as if it had not stopped."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dfd.errors import UserError

CHECKPOINT = "checkpoint.pt"
BEST = "best.safetensors"


@dataclass
class Standing:
    """How far a run has come: `step` optimiser steps of stage number `stage` are done.

    `best` is the figure of the best evaluation so far (None before the first), and `best_at` says
    when it was. `stale` counts the evaluations of this stage since the last improvement. `loss` is
    smoothed over steps.
    """

    stage: int = 0
    step: int = 0
    best: float | None = None
    best_at: str = ""
    stale: int = 0
    loss: float | None = None


@dataclass
class Resumable:
    """What is saved: trained tensors, optimiser, loss scaler, random numbers and progress.

    `identity` describes the run; a checkpoint of another run is refused.
    """

    model: nn.Module
    names: list[str]
    identity: dict[str, Any]
    device: torch.device

    def save(
        self, path: Path, standing: Standing, optimizer: torch.optim.Optimizer, scaler: Any
    ) -> None:
        """Writes a checkpoint; if that is interrupted, the one before is kept."""
        state = {
            "identity": json.dumps(self.identity),
            "standing": dataclasses.asdict(standing),
            "tensors": tensors_of(self.model, self.names),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": _numpy_state(),
        }
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> tuple[Standing, dict[str, Any], dict[str, Any]]:
        """Restores tensors and random numbers; returns progress, optimiser and scaler states.

        Raises:
            UserError: if the checkpoint is broken, or belongs to another run.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            identity = json.loads(state["identity"])
        except Exception as error:  # torch has several for broken files
            raise UserError(f"{path} is not a checkpoint of dfd train: {error}") from None
        changed = sorted(
            key
            for key in self.identity.keys() | identity.keys()
            if self.identity.get(key) != identity.get(key)
        )
        if changed:
            raise UserError(
                f"{path} belongs to a run with other {', '.join(changed)}: resume with the same "
                "options, or start again in another --out"
            )
        put(self.model, state["tensors"])
        torch.set_rng_state(state["torch"])
        _set_numpy_state(state["numpy"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)
        return Standing(**state["standing"]), state["optimizer"], state["scaler"]


def tensors_of(model: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Returns copies of parameters, on the CPU."""
    parameters = dict(model.named_parameters())
    return {name: parameters[name].detach().cpu().clone() for name in names}


@torch.no_grad()
def put(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copies tensors into the parameters of the same names."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        parameters[name].copy_(value)


def save_best(model: nn.Module, names: list[str], folder: Path) -> None:
    """Saves the trained tensors as the best so far."""
    from safetensors.torch import save_file

    partial = folder / f"{BEST}.partial"
    save_file(tensors_of(model, names), partial)
    partial.replace(folder / BEST)


def load_best(model: nn.Module, folder: Path) -> None:
    """Loads the best tensors so far into the model."""
    from safetensors.torch import load_file

    put(model, load_file(folder / BEST))


def _numpy_state() -> str:
    """Returns the state of NumPy's global generator: SpecAugment's masks are drawn from it."""
    kind, keys, position, gauss, cached = np.random.get_state()
    return json.dumps([kind, np.asarray(keys).tolist(), position, gauss, cached])


def _set_numpy_state(text: str) -> None:
    kind, keys, position, gauss, cached = json.loads(text)
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, gauss, cached))
