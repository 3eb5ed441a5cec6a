"""Nes2Net-X on XLS-R, as its authors saved it.

Liu et al., 2025; layout of the checkpoints of Liu-Tianchi/Nes2Net_ASVspoof_ITW.
"""

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts import fairseq
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import window_card
from dfd.detector.networks.nes2net import Nes2NetSizes, Nes2NetX, published_name
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError

LAYOUT = "nes2net-x"
_ANCHOR = "Nested_Res2Net_TDNN.bn.weight"
_WINDOW_SAMPLES = 64_000
# it cannot be inferred from tensors
_DILATION = 2


def recognises(state: StateDict) -> bool:
    """Returns whether a file has nested Res2Nets after a backbone."""
    return state.prefix(fairseq.ANCHOR) is not None and state.prefix(_ANCHOR) is not None


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over, or it is the variant without weighted sums.
    """
    prefix = (state.prefix(_ANCHOR) or "") + "Nested_Res2Net_TDNN."
    if f"{prefix}Build_in_Res2Nets.0.weighted_sum.0" not in state.tensors:
        raise UserError(
            f"{state.path} is a Nes2Net without weighted sums, which cannot be read: use "
            "Nes2Net-X, which its authors recommend"
        )
    groups = 1
    while f"{prefix}Build_in_Res2Nets.{groups - 1}.conv1.weight" in state.tensors:
        groups += 1
    attends = f"{prefix}pooling.linear1.weight"
    sizes = Nes2NetSizes(
        hidden=state.rows(f"{prefix}bn.weight"),
        groups=groups,
        width=state.rows(f"{prefix}Build_in_Res2Nets.0.convs.0.weight"),
        squeezed=state.rows(f"{prefix}Build_in_Res2Nets.0.se.se.1.weight"),
        dilation=_DILATION,
        attentive=state.rows(attends) if attends in state.tensors else 0,
    )
    sha256 = state.sha256()
    card = window_card(state, overrides, LAYOUT, sha256, window_samples=_WINDOW_SAMPLES)
    return fairseq.read_on_backbone(
        fairseq.find_backbone(state),
        Nes2NetX(sizes),
        card,
        sha256,
        layout=LAYOUT,
        words="Nes2Net-X",
        head_name=lambda name: prefix + published_name(name),
    )
