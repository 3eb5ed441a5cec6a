"""Transfers batches to the device and scores back.

On a GPU both go through page-locked memory, and batches use a CUDA stream of their own, so that
the next batch is transferred while one is computed. On the CPU nothing is copied.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Download:
    """Scores that may still be in transfer.

    Attributes:
        scores: float32 (B,) on the CPU, valid after `arrived`.
        arrived: an event of the device; None if they are there already.
    """

    scores: Tensor
    arrived: Any = None

    def wait(self) -> NDArray[np.float32]:
        """Waits for the scores and returns them."""
        if self.arrived is not None:
            self.arrived.synchronize()
        found: NDArray[np.float32] = self.scores.numpy()
        return found


class Transfer:
    """Moves arrays between the CPU and one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        make_stream: Any = torch.cuda.Stream
        self._beside: Any = make_stream(device) if device.type == "cuda" else None

    def upload(self, array: NDArray[Any]) -> Tensor:
        """Starts to copy an array to the device; later computations there wait for it."""
        tensor = torch.from_numpy(array)
        if self._beside is None:
            return tensor
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._beside):
            moved = tensor.pin_memory().to(self._device, non_blocking=True)
        current.wait_stream(self._beside)
        # its memory may be reused only after the computation has read it
        moved.record_stream(current)
        return moved

    def download(self, scores: Tensor) -> Download:
        """Starts to copy scores to the CPU."""
        if self._beside is None:
            return Download(scores)
        landed = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
        landed.copy_(scores, non_blocking=True)
        make_event: Any = torch.cuda.Event
        arrived = make_event()
        arrived.record(torch.cuda.current_stream(self._device))
        return Download(landed, arrived)
