"""What the layouts of classifiers of whole windows, without a backbone, have in common."""

from collections.abc import Callable

from torch import nn

from dfd.detector.files.card import CardDefaults, ModelCard, read_card
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.labels import spoof_column
from dfd.detector.files.layouts.state import StateDict, log_recognised
from dfd.detector.networks.windows import WindowNetwork
from dfd.detector.overrides import MASK, REPEAT, ModelOverrides
from dfd.errors import UserError

# The convention since ASVspoof 2019: this many samples from the start; shorter recordings are
# repeated.
WINDOW_SAMPLES = 64_600
SAMPLE_RATE_HZ = 16_000
# In all published detectors of this kind the first output is spoof, the second bona fide.
SPOOF_COLUMN = 0


def window_card(
    state: StateDict,
    overrides: ModelOverrides,
    layout: str,
    sha256: str,
    *,
    window_samples: int = WINDOW_SAMPLES,
    fixed: bool = False,
) -> ModelCard:
    """Reads the card of a network that its authors ran on the first window of each recording.

    Args:
        state: the file.
        overrides: the operator's settings.
        layout: name of the layout.
        sha256: digest of the file.
        window_samples: length of the authors' window.
        fixed: whether the network takes no other length.

    Raises:
        UserError: if the card or the operator asks for something that the network cannot do.
    """
    card = read_card(
        state.path,
        name=state.name,
        version=sha256[:12],
        sample_rate_hz=SAMPLE_RATE_HZ,
        defaults=CardDefaults(
            window_seconds=window_samples / SAMPLE_RATE_HZ,
            padding=REPEAT,
            utterance_score="first",
        ),
        overrides=overrides,
    )
    if card.padding == MASK:
        raise UserError(
            f"{state.path}: the layout {layout} sees whole windows: "
            "set its padding to repeat or zero"
        )
    if fixed and card.window_samples != window_samples:
        raise UserError(
            f"{state.path}: the layout {layout} takes windows of {window_samples} samples only: "
            "do not change its window"
        )
    return card


def spoof_output(state: StateDict, card: ModelCard) -> tuple[int, str]:
    """Returns the column of the spoof output, and a description: the card's, or the usual one."""
    if card.spoof_label is None:
        return SPOOF_COLUMN, str(SPOOF_COLUMN)
    return spoof_column({}, str(state.path), card.spoof_label)


def read_classifier(
    state: StateDict,
    classifier: nn.Module,
    overrides: ModelOverrides,
    *,
    layout: str,
    prefix: str,
    words: str,
    unused: set[str],
    fixed: bool = False,
    published_name: Callable[[str], str] = str,
) -> Checkpoint:
    """Fills a classifier of whole windows and makes a checkpoint of it.

    Args:
        state: the file.
        classifier: the network, without weights yet.
        overrides: the operator's settings.
        layout: name of the layout.
        prefix: prefix of the names in the file.
        words: description of the network, for messages.
        unused: names in the file that are ignored.
        fixed: whether it takes windows of `WINDOW_SAMPLES` only.
        published_name: a name of the network's own -> the name in the file.

    Raises:
        UserError: if tensors are missing or left over, or the card asks for something that the
            network cannot do.
    """
    log_recognised(state, f'{words}; under the prefix "{prefix}"' if prefix else words)
    matched = state.matched(
        classifier.state_dict(), prefix, unused=unused, source=words, published_name=published_name
    )
    classifier.load_state_dict(matched)
    sha256 = state.sha256()
    card = window_card(state, overrides, layout, sha256, fixed=fixed)
    if card.normalize:
        raise UserError(
            f"{state.path}: the layout {layout} takes samples without normalisation: set normalize "
            "to false"
        )
    column, label = spoof_output(state, card)
    return Checkpoint(
        network=WindowNetwork(classifier, column),
        card=card,
        weights_sha256=sha256,
        least_samples=1,
        layout=layout,
        spoof_label=label,
    )
