"""Where and how a reference recipe runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class RunOptions:
    """Where to write, and with what means.

    `workers` threads decode audio; `checkpoint` also writes the authors' own format. `cache` keeps
    what is costly to compute and the same in every run.
    """

    out: Path
    cache: Path
    device: torch.device
    seed: int = 0
    workers: int = 2
    resume: bool = False
    checkpoint: bool = False
