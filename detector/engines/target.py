"""What a network is compiled for, and the result."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FP32, INT8 = "fp32", "int8"


class Compiled(Protocol):
    """A network compiled by an engine; the arguments are those of `ScoringNetwork.forward`.

    The tensors are on the engine's device.
    """

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds, float32 (B,)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a network is compiled for.

    Attributes:
        precision: "fp32", "bf16", "fp16" or "int8".
        window_samples: length N of the windows.
        hop_samples: distance between the starts of consecutive windows.
        samples: float32 (M, N), sample windows for calibrating "int8", and for tracing.
        whole_int8: whether "int8" includes the convolutions as well as the transformer.
        threads: number of threads, for an engine that has its own; None leaves its choice.
    """

    device: torch.device
    precision: str
    window_samples: int
    hop_samples: int
    samples: NDArray[np.float32]
    whole_int8: bool = True
    threads: int | None = None
