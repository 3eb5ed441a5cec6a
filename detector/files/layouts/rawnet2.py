"""RawNet2, ASVspoof 2021's baseline, as its authors saved it."""

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import read_classifier
from dfd.detector.networks.rawnet2 import RawNet2, RawNet2Sizes, published_name
from dfd.detector.overrides import ModelOverrides

LAYOUT = "rawnet2"
ANCHOR = "bn_before_gru.weight"
BLOCKS = 6
_TAPS = 1_025


def recognises(state: StateDict) -> bool:
    """Returns whether a file has a GRU after residual blocks."""
    return state.prefix(ANCHOR) is not None


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over.
    """
    prefix = state.prefix(ANCHOR)
    assert prefix is not None
    layers = 0
    while f"{prefix}gru.weight_hh_l{layers}" in state.tensors:
        layers += 1
    widths = [
        (state.columns(f"{name}.conv1.weight"), state.rows(f"{name}.conv1.weight"))
        for name in (f"{prefix}block{block}.0" for block in range(BLOCKS))
    ]
    sizes = RawNet2Sizes(
        filters=state.rows(f"{prefix}first_bn.weight"),
        taps=_TAPS,
        widths=widths,
        hidden=state.columns(f"{prefix}gru.weight_hh_l0"),
        layers=layers,
        inner=state.rows(f"{prefix}fc1_gru.weight"),
    )
    parts = ("weight", "bias", "running_mean", "running_var")
    return read_classifier(
        state,
        RawNet2(sizes),
        overrides,
        layout=LAYOUT,
        prefix=prefix,
        words="RawNet2",
        # the published blocks do not use their first norm
        unused={f"block{block}.0.bn1.{part}" for block in range(1, BLOCKS) for part in parts},
        published_name=published_name,
    )
