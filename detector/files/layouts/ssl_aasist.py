"""SSL anti-spoofing: AASIST's graphs on XLS-R, as its authors saved it.

Tak et al., Odyssey 2022; layout of `best_SSL_model_LA.pth` and `..._DF.pth`.
"""

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts import aasist, fairseq
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import window_card
from dfd.detector.networks.graphs import GraphSizes
from dfd.detector.networks.ssl_aasist import SslAasist
from dfd.detector.overrides import ModelOverrides

LAYOUT = "ssl-aasist"
# neither can be inferred from tensors
_RATIOS, _TEMPERATURES = (0.5, 0.5, 0.5), (2.0, 2.0, 100.0)


def recognises(state: StateDict) -> bool:
    """Returns whether a file has joint graphs after a backbone."""
    return state.prefix(fairseq.ANCHOR) is not None and state.prefix(aasist.ANCHOR) is not None


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over.
    """
    prefix = state.prefix(aasist.ANCHOR)
    assert prefix is not None
    sha256 = state.sha256()
    card = window_card(state, overrides, LAYOUT, sha256)
    widths = aasist.block_widths(state, prefix)
    sizes = GraphSizes(
        inputs=widths[-1][1],
        first=state.rows(f"{prefix}GAT_layer_S.att_proj.weight"),
        second=state.rows(f"{prefix}HtrgGAT_layer_ST11.att_proj.weight"),
        ratios=_RATIOS,
        temperatures=_TEMPERATURES,
    )
    found = fairseq.find_backbone(state)
    projected = state.rows(f"{prefix}LL.weight")
    unread = {prefix + name for name in aasist.unread_norms(aasist.BLOCKS)}
    return fairseq.read_on_backbone(
        found,
        SslAasist(found.config.hidden_size, projected, widths, sizes),
        card,
        sha256,
        layout=LAYOUT,
        words="AASIST on a backbone",
        head_name=lambda name: prefix + name,
        unused=unread,
    )
