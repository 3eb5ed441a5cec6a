"""A model read into memory, whatever format it was saved in."""

from dataclasses import dataclass

from dfd.detector.files.card import ModelCard
from dfd.detector.networks.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A model read into memory, on the CPU, in float32.

    Attributes:
        network: the network, ready to be compiled.
        card: its properties.
        weights_sha256: digest of the file with the weights.
        least_samples: shorter windows do not give a single frame.
        layout: the layout in which it was saved; see `ModelSpec`.
        spoof_label: the output that means spoof, in words.
    """

    network: Network
    card: ModelCard
    weights_sha256: str
    least_samples: int
    layout: str
    spoof_label: str
