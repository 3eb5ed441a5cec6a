"""A model read into memory, whatever form it was saved in."""

from dataclasses import dataclass

from dfd.detector.files.card import ModelCard
from dfd.detector.networks.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A model read into memory, on the CPU, in float32.

    Attributes:
        network: ready to be compiled.
        card: its facts.
        weights_sha256: digest of the file that holds the weights.
        least_samples: shorter windows give not one frame.
        layout: the form in which it was saved; `ModelSpec` names them.
        spoof_label: the output that means spoof, in words.
    """

    network: Network
    card: ModelCard
    weights_sha256: str
    least_samples: int
    layout: str
    spoof_label: str
