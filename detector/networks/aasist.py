"""AASIST and AASIST-L: samples through fixed filters and residual blocks to two graphs."""

from dataclasses import dataclass

from torch import Tensor, nn

from dfd.detector.networks.graphs import GraphSizes, GraphStack
from dfd.detector.networks.residual import encoder
from dfd.detector.networks.sinc import SincBands

_POOL = 3  # all pools, over bands and over frames


@dataclass(frozen=True, slots=True)
class AasistSizes:
    """The sizes of an AASIST.

    Attributes:
        filters, taps: number and length of the first layer's filters; the length is odd.
        widths: channels into and out of each residual block.
        graphs: sizes of the graphs after them.
    """

    filters: int
    taps: int
    widths: list[tuple[int, int]]
    graphs: GraphSizes


class Aasist(GraphStack):
    """Classifies windows (B, N)."""

    def __init__(self, sizes: AasistSizes) -> None:
        super().__init__(sizes.graphs, bands=sizes.filters // _POOL)
        self.bands = SincBands(sizes.filters, sizes.taps)
        self.first_bn = nn.BatchNorm2d(1)
        self.encoder = encoder(sizes.widths, _POOL)

    def forward(self, windows: Tensor) -> Tensor:
        """Returns logits (B, 2) of samples (B, N)."""
        x = self.bands(windows).abs().unsqueeze(1)
        x = nn.functional.selu(self.first_bn(nn.functional.max_pool2d(x, [3, 3])))
        x = self.encoder(x).abs()
        return self.classify(x.amax(dim=3).transpose(1, 2), x.amax(dim=2).transpose(1, 2))
