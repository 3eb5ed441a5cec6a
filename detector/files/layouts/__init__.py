"""The forms in which detectors are published as tensors alone, a module each.

Each has `recognises(state)`, by the tensors' names, and `read(state, overrides)`. The first
that recognises a file reads it; `linear_heads` comes last and says what it misses.
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
    """What a module of this package has."""

    LAYOUT: str

    def recognises(self, state: StateDict) -> bool:
        """Whether a file has this form."""

    def read(self, state: StateDict, overrides: ModelOverrides) -> Checkpoint:
        """Reads it."""


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
    """Reads a file by the first layout that recognises it.

    Raises:
        UserError: if no reader does, or tensors are missing or left over.
    """
    for layout in LAYOUTS:
        if layout.recognises(state):
            return layout.read(state, overrides)
    return linear_heads.read(state, overrides)
