"""AASIST and AASIST-L as their authors saved them, and variants of other sizes.

Jung et al., ICASSP 2022; layout of the checkpoints in clovaai/aasist, `models/weights`.
"""

from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import read_classifier
from dfd.detector.jsonfile import Fields, read_object
from dfd.detector.networks.aasist import Aasist, AasistSizes
from dfd.detector.networks.graphs import GraphSizes
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError

LAYOUT = "aasist"
ANCHOR = "HtrgGAT_layer_ST11.att_weight11"
BLOCKS = 6
_BANDS, _TAPS = 70, 129
_TEMPERATURES = (2.0, 2.0, 100.0)
# features of a node after the first and the joint graphs -> share of nodes kept
_RATIOS = {(64, 32): (0.5, 0.7, 0.5), (24, 32): (0.4, 0.5, 0.7)}
_NAMES = {(64, 32): "AASIST", (24, 32): "AASIST-L"}


def recognises(state: StateDict) -> bool:
    """Returns whether a file has joint graphs, and no backbone before them."""
    prefix = state.prefix(ANCHOR)
    return prefix is not None and f"{prefix}LL.weight" not in state.tensors


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over, or its sizes are unknown.
    """
    prefix = state.prefix(ANCHOR)
    assert prefix is not None
    widths = block_widths(state, prefix)
    first, second = (
        state.rows(f"{prefix}GAT_layer_S.att_proj.weight"),
        state.rows(f"{prefix}HtrgGAT_layer_ST11.att_proj.weight"),
    )
    ratios, temperatures = _unwritten(state, (first, second))
    sizes = AasistSizes(
        filters=_BANDS,
        taps=_TAPS,
        widths=widths,
        graphs=GraphSizes(widths[-1][1], first, second, ratios, temperatures),
    )
    return read_classifier(
        state,
        Aasist(sizes),
        overrides,
        layout=LAYOUT,
        prefix=prefix,
        words=_NAMES.get((first, second), "an AASIST"),
        unused=unread_norms(BLOCKS),
    )


def block_widths(state: StateDict, prefix: str) -> list[tuple[int, int]]:
    """Returns the channels into and out of each residual block.

    Raises:
        UserError: if a block is missing.
    """
    widths = []
    for block in range(BLOCKS):
        name = f"{prefix}encoder.{block}.0.conv1.weight"
        widths.append((state.columns(name), state.rows(name)))
    return widths


def unread_norms(blocks: int) -> set[str]:
    """Returns the names of norms that the published blocks have but do not use.

    They are the first norm of every block but the first.
    """
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"encoder.{block}.0.bn1.{part}" for block in range(1, blocks) for part in parts}


def _unwritten(
    state: StateDict, sizes: tuple[int, int]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Returns the ratios and temperatures, which cannot be inferred from tensors.

    They are known for the published networks; others need the configuration of their training, in
    a file with the checkpoint's name and the ending .conf.
    """
    beside = state.path.with_suffix(".conf")
    if beside.exists():
        fields = Fields(beside, read_object(beside)).nested("model_config")
        return _three(fields, "pool_ratios"), _three(fields, "temperatures")
    if sizes not in _RATIOS:
        raise UserError(
            f"{state.path}: no published AASIST has graphs of {sizes[0]} and {sizes[1]} features: "
            f"put the configuration that it was trained with next to it as {beside.name}"
        )
    return _RATIOS[sizes], _TEMPERATURES


def _three(fields: Fields, key: str) -> tuple[float, float, float]:
    value = fields.content.get(key)
    fine = (
        isinstance(value, list)
        and len(value) >= 3
        and all(isinstance(one, int | float) and one > 0 for one in value)
    )
    fields.require(fine, key, "a list of three or four positive numbers")
    assert isinstance(value, list)
    return float(value[0]), float(value[1]), float(value[2])
