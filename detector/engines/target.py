"""What a network is compiled for, and what comes of it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FP32, INT8 = "fp32", "int8"


class Compiled(Protocol):
    """A network as an engine runs it; the arguments are those of `ScoringNetwork.forward`.

    The tensors are on the engine's device.
    """

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Gives spoof log-odds, float32 (B,)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a network is compiled for.

    Attributes:
        precision: "fp32", "bf16", "fp16" or "int8".
        window_samples: N of the windows.
        hop_samples: from one window's start to the next one's.
        samples: float32 (M, N), sample windows on which "int8" sees its ranges.
        whole_int8: whether "int8" takes in the convolutions, and not only the transformer.
        threads: of an engine that has its own; None leaves its choice.
    """

    device: torch.device
    precision: str
    window_samples: int
    hop_samples: int
    samples: NDArray[np.float32]
    whole_int8: bool = True
    threads: int | None = None
