"""AntiDeepfake: the mean frame of a post-trained backbone and one linear layer.

Ge et al., "Post-training for deepfake speech detection", 2025; layout of the checkpoints in
nii-yamagishilab/AntiDeepfake, as safetensors or inside a training checkpoint.
"""

from dfd.detector.files.card import CardDefaults, read_card
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts import fairseq
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.layouts.whole_windows import SAMPLE_RATE_HZ
from dfd.detector.networks.head import LinearHead, OnMean
from dfd.detector.overrides import MASK, ModelOverrides

LAYOUT = "antideepfake"
_HEAD = "proj_fc.weight"
# Its authors scored recordings whole; windows longer than this add little but delay.
_WINDOW_SECONDS = 13.0
# the value that torch's layer_norm adds to the variance
_VARIANCE_FLOOR = 1e-5


def recognises(state: StateDict) -> bool:
    """Returns whether a file has a backbone and the one linear layer."""
    return state.prefix(fairseq.ANCHOR) is not None and state.prefix(_HEAD) is not None


def read(state: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file with this layout.

    Raises:
        UserError: if tensors are missing or left over.
    """
    prefix = (state.prefix(_HEAD) or "") + "proj_fc."
    sha256 = state.sha256()
    card = read_card(
        state.path,
        name=state.name,
        version=sha256[:12],
        sample_rate_hz=SAMPLE_RATE_HZ,
        defaults=CardDefaults(
            window_seconds=_WINDOW_SECONDS,
            normalize=True,
            padding=MASK,
            utterance_score="mean",
        ),
        overrides=overrides,
    )
    found = fairseq.find_backbone(state)
    head = LinearHead(found.config.hidden_size, 2)
    return fairseq.read_on_backbone(
        found,
        OnMean(head),
        card,
        sha256,
        layout=LAYOUT,
        words="AntiDeepfake",
        head_name=lambda name: prefix + name.removeprefix("classifier."),
        filled=head,
        variance_floor=_VARIANCE_FLOOR,
    )
