"""Graph attention over bands and frames, from AASIST's feature map to two logits.

Jung et al., "AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal Graph Attention
Networks", ICASSP 2022. Parameters have the names of the published checkpoints.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class GraphSizes:
    """The sizes of the graphs; ratios and temperatures cannot be inferred from tensors.

    Attributes:
        inputs: features of a node of the first two graphs, before their attention.
        first, second: features of a node after the first graphs and after the joint ones.
        ratios: share of nodes kept in the spectral, the temporal and the joint graphs.
        temperatures: temperatures of the spectral, the temporal and the joint graphs.
    """

    inputs: int
    first: int
    second: int
    ratios: tuple[float, float, float]
    temperatures: tuple[float, float, float]


class _NodeNorm(nn.BatchNorm1d):
    """Batch norm over the features of nodes (B, nodes, features), as a plain scale."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises by the running statistics."""
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return x * scale + (self.bias - mean * scale)


class GraphAttention(nn.Module):
    """Attention of every node to every node of one graph."""

    def __init__(self, inputs: int, outputs: int, temperature: float) -> None:
        super().__init__()
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_weight = nn.Parameter(torch.empty(outputs, 1))
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.bn = _NodeNorm(outputs)
        self.temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        """Takes nodes (B, nodes, inputs) to (B, nodes, outputs)."""
        pairs = torch.tanh(self.att_proj(x.unsqueeze(2) * x.unsqueeze(1)))
        odds = torch.matmul(pairs, self.att_weight).squeeze(-1) / self.temperature
        seen = torch.matmul(odds.softmax(dim=-1), x)
        return nn.functional.selu(self.bn(self.proj_with_att(seen) + self.proj_without_att(x)))


class JointAttention(nn.Module):
    """Attention among the nodes of two graphs; pairs of the same kind share their weight.

    A master node attends to all nodes, and none attends to it.
    """

    def __init__(self, inputs: int, outputs: int, temperature: float) -> None:
        super().__init__()
        self.proj_type1 = nn.Linear(inputs, inputs)
        self.proj_type2 = nn.Linear(inputs, inputs)
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_projM = nn.Linear(inputs, outputs)
        for name in ("att_weight11", "att_weight22", "att_weight12", "att_weightM"):
            self.register_parameter(name, nn.Parameter(torch.empty(outputs, 1)))
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.proj_with_attM = nn.Linear(inputs, outputs)
        self.proj_without_attM = nn.Linear(inputs, outputs)
        self.bn = _NodeNorm(outputs)
        self.temperature = temperature

    att_weight11: Tensor
    att_weight22: Tensor
    att_weight12: Tensor
    att_weightM: Tensor  # noqa: N815 - the name in the checkpoints

    def forward(self, one: Tensor, two: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Takes nodes of both kinds (B, nodes, inputs) and a master (B, 1, inputs) to outputs."""
        count = one.size(1)
        x = torch.cat([self.proj_type1(one), self.proj_type2(two)], dim=1)

        pairs = torch.tanh(self.att_proj(x.unsqueeze(2) * x.unsqueeze(1)))
        upper, lower = pairs[:, :count], pairs[:, count:]
        odds = torch.cat(
            [
                torch.cat(
                    [
                        torch.matmul(upper[:, :, :count], self.att_weight11),
                        torch.matmul(upper[:, :, count:], self.att_weight12),
                    ],
                    dim=2,
                ),
                torch.cat(
                    [
                        torch.matmul(lower[:, :, :count], self.att_weight12),
                        torch.matmul(lower[:, :, count:], self.att_weight22),
                    ],
                    dim=2,
                ),
            ],
            dim=1,
        )
        attention = (odds.squeeze(-1) / self.temperature).softmax(dim=-1)

        toward_master = torch.tanh(self.att_projM(x * master))
        master_odds = torch.matmul(toward_master, self.att_weightM) / self.temperature
        gathered = torch.matmul(master_odds.softmax(dim=1).transpose(1, 2), x)
        master = self.proj_with_attM(gathered) + self.proj_without_attM(master)

        seen = self.proj_with_att(torch.matmul(attention, x)) + self.proj_without_att(x)
        x = nn.functional.selu(self.bn(seen))
        return x[:, :count], x[:, count:], master


class GraphPool(nn.Module):
    """Keeps the nodes with the highest scores, highest first, weighted by their scores.

    Args:
        features: features of a node.
        ratio: share of nodes kept.
        least: the fewest nodes kept.
    """

    def __init__(self, features: int, ratio: float, least: int = 1) -> None:
        super().__init__()
        self.proj = nn.Linear(features, 1)
        self.ratio = ratio
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, nodes, features) to (B, ratio of the nodes, features)."""
        scores = torch.sigmoid(self.proj(x))
        kept = max(int(x.size(1) * self.ratio), self.least)
        best = torch.topk(scores, kept, dim=1)[1].expand(-1, -1, x.size(2))
        return torch.gather(x * scores, 1, best)


class GraphStack(nn.Module):
    """Two graphs, of bands and of frames, joined in two parallel branches, to two logits.

    It is a base class, so that its parameters are at the top level of the network, as in the
    published checkpoints.
    """

    def __init__(self, sizes: GraphSizes, bands: int) -> None:
        super().__init__()
        first, second = sizes.first, sizes.second
        self.pos_S = nn.Parameter(torch.empty(1, bands, sizes.inputs))
        self.master1 = nn.Parameter(torch.empty(1, 1, first))
        self.master2 = nn.Parameter(torch.empty(1, 1, first))
        spectral, temporal, joint = sizes.temperatures
        self.GAT_layer_S = GraphAttention(sizes.inputs, first, spectral)
        self.GAT_layer_T = GraphAttention(sizes.inputs, first, temporal)
        self.HtrgGAT_layer_ST11 = JointAttention(first, second, joint)
        self.HtrgGAT_layer_ST12 = JointAttention(second, second, joint)
        self.HtrgGAT_layer_ST21 = JointAttention(first, second, joint)
        self.HtrgGAT_layer_ST22 = JointAttention(second, second, joint)
        self.pool_S = GraphPool(first, sizes.ratios[0])
        self.pool_T = GraphPool(first, sizes.ratios[1])
        self.pool_hS1 = GraphPool(second, sizes.ratios[2])
        self.pool_hT1 = GraphPool(second, sizes.ratios[2])
        self.pool_hS2 = GraphPool(second, sizes.ratios[2])
        self.pool_hT2 = GraphPool(second, sizes.ratios[2])
        self.out_layer = nn.Linear(5 * second, 2)

    def classify(self, bands: Tensor, frames: Tensor) -> Tensor:
        """Returns logits (B, 2) of nodes (B, bands, inputs) and (B, frames, inputs)."""
        spectral = self.pool_S(self.GAT_layer_S(bands + self.pos_S))
        temporal = self.pool_T(self.GAT_layer_T(frames))

        time1, band1, master1 = self.HtrgGAT_layer_ST11(temporal, spectral, self.master1)
        band1, time1 = self.pool_hS1(band1), self.pool_hT1(time1)
        more_time, more_band, more = self.HtrgGAT_layer_ST12(time1, band1, master1)
        time1, band1, master1 = time1 + more_time, band1 + more_band, master1 + more

        time2, band2, master2 = self.HtrgGAT_layer_ST21(temporal, spectral, self.master2)
        band2, time2 = self.pool_hS2(band2), self.pool_hT2(time2)
        more_time, more_band, more = self.HtrgGAT_layer_ST22(time2, band2, master2)
        time2, band2, master2 = time2 + more_time, band2 + more_band, master2 + more

        time, band = torch.maximum(time1, time2), torch.maximum(band1, band2)
        master = torch.maximum(master1, master2)
        gathered = torch.cat(
            [
                time.abs().amax(dim=1),
                time.mean(dim=1),
                band.abs().amax(dim=1),
                band.mean(dim=1),
                master.squeeze(1),
            ],
            dim=1,
        )
        logits: Tensor = self.out_layer(gathered)
        return logits
