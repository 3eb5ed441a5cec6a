"""What all networks here have in common: how they are called, and in what they may run.

A network takes float32 windows (B, N) and lengths (B,) or None to spoof log-odds (B,).
"""

from dfd.detector.networks.frames import is_laid_out
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.networks.windows import WindowNetwork
from dfd.detector.precision import FP32, INT8

Network = ScoringNetwork | WindowNetwork


# One window's maps are tens of megabytes and fill a CPU's cores; more of them only wait.
_LARGEST_ON_CPU = 4


def largest_batch(network: Network) -> int | None:
    """The batch beyond which a CPU gains nothing by a network; None where its size tells."""
    return None if isinstance(network, ScoringNetwork) else _LARGEST_ON_CPU


def runs_in(network: Network, precision: str) -> bool:
    """Whether a network can run in a precision.

    Those without a backbone are small: they stay in float32, which their top-k choices want.
    Backbones that torchaudio does not have run in half precision, and not in int8.
    """
    if precision == FP32:
        return True
    if not isinstance(network, ScoringNetwork):
        return False
    return precision != INT8 or not is_laid_out(network.transformer)
