"""SLS on XLS-R, as its authors saved it: a weighted sum of all layers, pooling, two linear layers.

Zhang et al., ACM Multimedia 2024.
"""

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts import fairseq
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import window_card
from dfd.detector.networks.sls import LayerGate, SlsHead
from dfd.detector.overrides import ModelOverrides

LAYOUT = "sls"
_ANCHOR = "fc0.weight"


def recognises(state: StateDict) -> bool:
    """Returns whether a file has the layers' gate after a backbone."""
    return state.prefix(fairseq.ANCHOR) is not None and state.prefix(_ANCHOR) is not None


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over.
    """
    prefix = state.prefix(_ANCHOR)
    assert prefix is not None
    sha256 = state.sha256()
    card = window_card(state, overrides, LAYOUT, sha256, fixed=True)
    found = fairseq.find_backbone(state)
    inputs, inner = state.columns(f"{prefix}fc1.weight"), state.rows(f"{prefix}fc1.weight")
    return fairseq.read_on_backbone(
        found,
        SlsHead(inputs, inner),
        card,
        sha256,
        layout=LAYOUT,
        words="SLS",
        head_name=lambda name: prefix + name,
        gate=LayerGate(found.config.hidden_size),
        gate_name=lambda name: prefix + name,
    )
