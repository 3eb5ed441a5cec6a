"""RawGAT-ST as its authors saved it, with its two graphs multiplied.

The variants that add the graphs have the same tensors, and are read as this one.
"""

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import read_classifier
from dfd.detector.networks.rawgat_st import WIDTHS, RawGatSt
from dfd.detector.overrides import ModelOverrides

LAYOUT = "rawgat-st"
ANCHOR = "GAT_layer_spectro_temp.att_weight"


def recognises(state: StateDict) -> bool:
    """Returns whether a file has the third graph."""
    return state.prefix(ANCHOR) is not None


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over.
    """
    prefix = state.prefix(ANCHOR)
    assert prefix is not None
    return read_classifier(
        state,
        RawGatSt(),
        overrides,
        layout=LAYOUT,
        prefix=prefix,
        words="RawGAT-ST",
        # every published block has the first one's convolution, without using it
        unused={
            f"encoder{encoder}.{block}.0.conv_1.{part}"
            for encoder in (1, 2)
            for block in range(1, len(WIDTHS))
            for part in ("weight", "bias")
        },
        fixed=True,
    )
