"""Batches to the device and scores back.

On a GPU both travel from and to page-locked memory, batches on a stream of their own, so that
the next batch is on its way while one is computed. On the CPU nothing moves.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Download:
    """Scores that may still be on their way.

    Attributes:
        scores: float32 (B,) on the CPU, valid once `arrived`.
        arrived: an event of the device; None where they are there.
    """

    scores: Tensor
    arrived: Any = None

    def wait(self) -> NDArray[np.float32]:
        """The scores, when they have come."""
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
        """Takes an array to the device; what is computed from now on waits for it."""
        tensor = torch.from_numpy(array)
        if self._beside is None:
            return tensor
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._beside):
            moved = tensor.pin_memory().to(self._device, non_blocking=True)
        current.wait_stream(self._beside)
        # its memory may be used again only when the computation has read it
        moved.record_stream(current)
        return moved

    def download(self, scores: Tensor) -> Download:
        """Starts to bring scores back."""
        if self._beside is None:
            return Download(scores)
        landed = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
        landed.copy_(scores, non_blocking=True)
        make_event: Any = torch.cuda.Event
        arrived = make_event()
        arrived.record(torch.cuda.current_stream(self._device))
        return Download(landed, arrived)
