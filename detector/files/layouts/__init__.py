"""The layouts in which detectors are published as tensors alone, one module each.

Each has `recognises(state)`, which checks the tensors' names, and `read(state, overrides)`. The
first that recognises a file reads it; `linear_heads` comes last and says what is missing.
"""

from typing import Protocol

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts import (
    aasist,
    antideepfake,
    linear_heads,
    nes2net,
    rawgat_st,
    rawnet2,
    sls,
    ssl_aasist,
)
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.overrides import ModelOverrides


class Layout(Protocol):
    """The interface of the modules of this package."""

    LAYOUT: str

    def recognises(self, state: StateDict) -> bool:
        """Returns whether a file has this layout."""

    def read(self, state: StateDict, overrides: ModelOverrides) -> Checkpoint:
        """Reads a file with this layout."""


LAYOUTS: tuple[Layout, ...] = (
    aasist,
    rawnet2,
    rawgat_st,
    ssl_aasist,
    antideepfake,
    sls,
    nes2net,
)


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with the first layout that recognises it.

    Raises:
        UserError: if no reader does, or tensors are missing or left over.
    """
    for layout in LAYOUTS:
        if layout.recognises(state):
            return layout.read(state, overrides)
    return linear_heads.read(state, overrides)
