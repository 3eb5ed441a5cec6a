"""What all networks have in common: how they are called, and in which precisions they run.

A network takes float32 windows (B, N) and lengths (B,), or None, to spoof log-odds (B,).
"""

from dfd.detector.networks.frames import is_laid_out
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.networks.whisper_stem import StemScoringNetwork
from dfd.detector.networks.windows import WindowNetwork
from dfd.detector.precision import FP32, INT8

Network = ScoringNetwork | WindowNetwork


# The maps of one window are tens of megabytes and keep a CPU's cores busy; larger batches only add
# delay.
_LARGEST_ON_CPU = 4


def largest_batch(network: Network) -> int | None:
    """Returns the largest worthwhile batch on a CPU; None if the number of parameters decides."""
    return None if isinstance(network, ScoringNetwork) else _LARGEST_ON_CPU


def runs_in(network: Network, precision: str) -> bool:
    """Returns whether a network can run in a precision.

    Networks without a backbone are small and stay in float32, which their top-k selections need.
    Backbones that torchaudio does not have run in half precision, but not in int8. The stem of the
    bundled model adds up squares over a hop, for which half precision has too few digits.
    """
    if precision == FP32:
        return True
    if not isinstance(network, ScoringNetwork):
        return False
    if isinstance(network, StemScoringNetwork):
        return precision == INT8
    return precision != INT8 or not is_laid_out(network.transformer)
